"""Sums and counts: what a metric keeps of what it saw, and how shards of it merge.

A state maps a site to named float64 tensors whose first axis is the prompt. Sums add up, so the
order in which parts of a prompt are seen, or shards are merged, changes nothing but rounding.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Num
from torch import Tensor

from cortexscope.records import Site

__all__ = ["State", "Sums", "add", "concatenate", "merge", "total"]

Sums = Mapping[str, Tensor]
"""Named sums and counts of one site, each [prompt, ...] in float64."""

State = Mapping[Site, Sums]
"""All that a metric keeps of the prompts it saw."""


def total(
    rows: Num[Tensor, "prompt *head token"], keep: Bool[Tensor, "prompt *#head token"]
) -> Num[Tensor, prompt * head]:
    """Return the sum over tokens in float64, of the rows that are kept; others may be NaN."""
    return torch.where(keep, rows, 0).sum(-1, dtype=torch.float64)


def add(state: State, site: Site, sums: Sums) -> State:
    """Return the state with `sums` added at `site`, for the same prompts in the same order."""
    before = state.get(site)
    if before is not None:
        sums = {name: before[name] + value for name, value in sums.items()}
    return {**state, site: sums}


def merge(left: State, right: State) -> State:
    """Return the state of two parts of the same prompts, such as two pieces of a text."""
    merged = dict(left)
    for site, sums in right.items():
        merged = dict(add(merged, site, sums))
    return merged


def concatenate(left: State, right: State) -> State:
    """Return the state of two groups of prompts that were seen at the same sites."""
    if not left or not right:
        return left or right
    return {
        site: {name: torch.cat([value, right[site][name]]) for name, value in sums.items()}
        for site, sums in left.items()
    }
