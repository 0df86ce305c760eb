"""Token ids for tests: prompts of given lengths, and batches of them."""

from __future__ import annotations

import torch
from families import VOCABULARY

__all__ = ["padded", "prompts"]


def prompts(lengths: list[int]) -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(3, VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


def padded(rows: list[list[int]], *, left: bool = False) -> dict[str, torch.Tensor]:
    longest = max(map(len, rows))
    ids, mask = [], []
    for row in rows:
        spare = longest - len(row)
        ids.append([0] * spare + row if left else row + [0] * spare)
        mask.append([0] * spare + [1] * len(row) if left else [1] * len(row) + [0] * spare)
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
