"""Sums and counts: what a metric keeps of what it saw, and how shards of it merge.

A state maps a site to named float64 tensors whose first axis is the prompt. Sums add up, so the
order in which parts of a prompt are seen, or shards are merged, changes nothing but rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Num
from torch import Tensor
from torch.nn import functional

from cortexscope.records import Site

__all__ = ["State", "Sums", "add", "concatenate", "merge", "select", "total"]

Sums = Mapping[str, Tensor]
"""Named sums and counts of one site, each [prompt, ...] in float64."""

State = Mapping[Site, Sums]
"""All that a metric keeps of the prompts it saw."""


def total(
    rows: Num[Tensor, "*rows token"], keep: Bool[Tensor, "*_ token"]
) -> Num[Tensor, " *rows"]:
    """Return the sum over tokens in float64, of the rows that are kept; others may be NaN."""
    return torch.where(keep, rows, 0).sum(-1, dtype=torch.float64)


def add(state: State, site: Site, sums: Sums) -> State:
    """Return the state with `sums` added at `site`, for the same prompts in the same order."""
    return {**state, site: _sum(state.get(site), sums)}


def _sum(before: Sums | None, sums: Sums) -> Sums:
    if before is None:
        return sums
    return {name: before[name] + value for name, value in sums.items()}


def merge(left: State, right: State) -> State:
    """Return the state of two parts of the same prompts, such as two pieces of a text."""
    merged = dict(left)
    for site, sums in right.items():
        merged[site] = _sum(left.get(site), sums)
    return merged


def concatenate(left: State, right: State) -> State:
    """Return the state of two groups of prompts that were seen at the same sites.

    Sums that one group has for more keys than the other are 0 for the other.
    """
    if not left or not right:
        return left or right
    return {
        site: {name: _joined(value, right[site][name]) for name, value in sums.items()}
        for site, sums in left.items()
    }


def _joined(left: Tensor, right: Tensor) -> Tensor:
    longest = max(left.shape[-1], right.shape[-1]) if left.dim() > 1 else 0
    if longest and left.shape[-1] != right.shape[-1]:
        left, right = (functional.pad(x, (0, longest - x.shape[-1])) for x in (left, right))
    return torch.cat([left, right])


def select(state: State, prompts: Sequence[int]) -> State:
    """Return the state of some of the prompts, in the order given."""
    rows = torch.tensor(prompts, dtype=torch.long)
    return {
        site: {name: value[rows.to(value.device)] for name, value in sums.items()}
        for site, sums in state.items()
    }
