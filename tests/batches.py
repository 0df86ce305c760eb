"""Token ids for tests: prompts of given lengths, and batches of them."""

from __future__ import annotations

import torch
from families import VOCABULARY
from family import Family

__all__ = ["Batch", "inputs_for", "padded", "prompts", "row_of"]

Batch = dict[str, torch.Tensor]


def prompts(lengths: list[int], *, seed: int = 3) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


def padded(rows: list[list[int]], *, left: bool = False, pad: int = 0) -> Batch:
    longest = max(map(len, rows))
    ids, mask = [], []
    for row in rows:
        spare = longest - len(row)
        ids.append([pad] * spare + row if left else row + [pad] * spare)
        mask.append([0] * spare + [1] * len(row) if left else [1] * len(row) + [0] * spare)
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def inputs_for(family: Family, lengths: list[int], *, left: bool = False) -> Batch:
    """Return what a family's model is given for prompts of these lengths, in one batch.

    An encoder-decoder's targets have the same lengths in another order. Where padding is on the
    left and the model cannot tell, it is told where tokens begin.
    """
    pad = family.settings.get("pad_token_id", 0)
    batch = padded(prompts(lengths), left=left, pad=pad)
    if left and family.told_positions:
        batch["position_ids"] = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    if family.kind == "encoder-decoder":
        targets = padded(prompts([*lengths[2:], *lengths[:2]], seed=4), left=left, pad=pad)
        batch |= {f"decoder_{name}": value for name, value in targets.items()}
    return batch


def row_of(batch: Batch, row: int, *, padding: bool) -> Batch:
    """Return the inputs of one prompt of a batch, with its padding or without."""
    alone = {name: value[row : row + 1] for name, value in batch.items()}
    if padding:
        return alone
    kept = {
        side: alone[f"{side}attention_mask"][0].bool()
        for side in ("", "decoder_")
        if f"{side}attention_mask" in alone
    }
    return {
        name: value[:, kept["decoder_" if name.startswith("decoder_") else ""]]
        for name, value in alone.items()
    }
