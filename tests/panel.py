"""The whole panel of metrics against obvious computations, on tiny models of eight families.

A test gives names of metrics and a function that computes them of one prompt, plainly, from what
the model spelled out in float64 shows: whole matrices, states, and whatever else it hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from batches import Batch, inputs_for, padded, row_of
from eager import Stack, eager, watch
from families import FAMILIES, tiny_model
from family import Family
from measured import outcomes
from reference import Key, Outcome, Values, same

from cortexscope.measure import attach
from cortexscope.models import Model

__all__ = ["PANEL", "WAYS", "Case", "agree", "agree_on", "places"]

PANEL = ("gpt2", "llama", "gemma3_text", "bloom", "mixtral", "gpt_oss", "bert", "t5", "falcon_h1")
"""Learned positions, rotary, windows, ALiBi, experts, learned sinks, an encoder, two stacks, and
a state space beside attention."""

WAYS = ("right", "left", "few", "sample")
"""Padding on one side or the other; keys too few for the fused kernel; a sample of 5 tokens."""

_LENGTHS = [37, 33, 9, 2, 1]
_SAMPLE = 5


@dataclass(frozen=True)
class Case:
    """One prompt, and the model that reads it, spelled out in float64."""

    twin: Any
    family: Family
    inputs: Batch
    """Of the prompt alone, without padding."""
    sample: int | None
    """How many tokens stand for the prompt where a metric is sampled."""

    @cached_property
    def stacks(self) -> list[Stack]:
        """What is seen of the prompt; cross-attention is a stack without states."""
        return watch(self.twin, self.family, self.inputs)

    def places(self, tokens: int) -> list[int]:
        """Return the tokens that stand for a prompt of so many."""
        return places(tokens, self.sample)


def places(tokens: int, sample: int | None) -> list[int]:
    """Return which of so many tokens are in the middle of `sample` parts of equal length."""
    if sample is None or tokens <= sample:
        return list(range(tokens))
    return [int((part + 0.5) * tokens / sample) for part in range(sample)]


def agree(
    family: str,
    way: str,
    metrics: Sequence[str],
    reference: Callable[[Case], Values],
    *,
    relative: float = 1e-4,
    absolute: float = 1e-6,
) -> int:
    """Assert that what is measured of a tiny model is what the reference says; return how much.

    Args:
        family: one of `PANEL`, or any family of the tests.
        way: one of `WAYS`.
        metrics: what to measure.
        reference: gives the values of one prompt, with the reason in the place of a value where
            there is none.
        relative: largest difference, as a share.
        absolute: and in units.
    """
    row = FAMILIES[family]
    model = tiny_model(family)
    lengths = _LENGTHS[2:] if way == "few" else _LENGTHS
    batch = inputs_for(row, lengths, left=way == "left")
    sample = _SAMPLE if way == "sample" else None
    twin = eager(model)
    with attach(model, metrics=metrics, sample_tokens=sample) as probe, torch.no_grad():
        model(**batch)
    compared = 0
    found = outcomes(probe.frame())
    assert len(found) == len(lengths)
    for number, got in enumerate(found.values()):
        inputs = row_of(batch, number, padding=False)
        compared += _compare(got, reference(Case(twin, row, inputs, sample)), relative, absolute)
    return compared


def agree_on(
    model: Model,
    texts: Sequence[str],
    metrics: Sequence[str],
    reference: Callable[[Case], Values],
    *,
    sample: int | None = None,
    relative: float = 1e-4,
    absolute: float = 1e-6,
) -> int:
    """Assert the same of a demo model and texts, all of them in one batch; return how much."""
    row = FAMILIES["llama" if model.info.stack_kind == "decoder" else "bert"]
    twin = eager(model.module)
    rows = [model.tokenizer(text)["input_ids"] for text in texts]
    with attach(model, metrics=metrics, sample_tokens=sample) as probe, torch.no_grad():
        model.module(**padded(rows))
    compared = 0
    for ids, got in zip(rows, outcomes(probe.frame()).values(), strict=True):
        case = Case(twin, row, padded([ids]), sample)
        compared += _compare(got, reference(case), relative, absolute)
    return compared


def _compare(got: dict[Key, Outcome], wanted: Values, relative: float, absolute: float) -> int:
    assert got.keys() == wanted.keys(), sorted(map(str, got.keys() ^ wanted.keys()))[:8]
    wrong = {
        key: (got[key], value)
        for key, value in wanted.items()
        if not same(got[key], value, relative=relative, absolute=absolute)
    }
    assert not wrong, dict(list(wrong.items())[:8])
    return len(wanted)


def as_outcome(value: float | np.floating[Any], reason: str) -> Outcome:
    """Return a number, or the reason where it is none."""
    return reason if np.isnan(value) else float(value)
