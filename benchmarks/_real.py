"""The built-in suite, read as `cortexscope run` reads it, beside a bare loop over its batches."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from cortexscope import LoadOptions, attach, load_model, load_suite
from cortexscope.engine import Encoded
from cortexscope.engine._allocator import keep_freed_memory
from cortexscope.engine._batches import batches_of
from cortexscope.engine._request import Settings
from cortexscope.measure import Probe, observer
from cortexscope.taps import _attention_mode, _stack

PARTS: Mapping[str, tuple[object, str]] = {
    "statistics of attention rows": (_attention_mode, "native_rows"),
    "whole rows of a sample, with their metrics": (_stack.StackWatch, "_whole_rows"),
    "states, with their metrics": (_stack.StackWatch, "_hidden"),
    "updates, with their metrics": (_stack.StackWatch, "_show_updates"),
    "neurons, with their metrics": (_stack.StackWatch, "_show_read"),
    "all metrics as they are shown things": (observer.Observer, "see"),
    "finishing what metrics have kept": (observer.Observer, "end"),
}
"""What is timed inside, by what it is; some is inside of others."""


def suite_batches(model: Any) -> list[dict[str, Tensor]]:
    """Return the inputs of the suite's batches, padded on the right."""
    encoded = [
        Encoded(prompt, tuple(model.tokenizer(prompt.text)["input_ids"]))
        for prompt in load_suite("cognitive").prompts
    ]
    found = []
    for batch in batches_of(encoded, batch_tokens=Settings().batch_tokens):
        ids = torch.zeros(len(batch.items), batch.longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, item in enumerate(batch.items):
            ids[row, : len(item.ids)] = torch.tensor(item.ids)
            mask[row, : len(item.ids)] = 1
        found.append({"input_ids": ids, "attention_mask": mask})
    return found


@torch.inference_mode()
def real_costs(reference: str, metrics: Sequence[str] | None, repeats: int) -> dict[str, Any]:
    """Return the seconds of both loops, their ratio, and what takes how long inside.

    What was measured is made into rows when they are asked for, which is told apart: a run makes
    them in a thread while it reads on.
    """
    keep_freed_memory()
    model = load_model(reference, LoadOptions(dtype="float32"))
    backbone, batches = model.module.base_model, suite_batches(model)

    def bare() -> None:
        for inputs in batches:
            backbone(**inputs, use_cache=False)

    def measured() -> Probe:
        with attach(model, metrics=metrics) as probe:
            bare()
        return probe

    times: dict[str, list[float]] = {"bare": [], "measured": []}
    for number in range(repeats + 1):
        for name, act in (("bare", bare), ("measured", measured)):
            begun = time.perf_counter()
            act()
            if number:
                times[name].append(time.perf_counter() - begun)
    least = {name: min(own) for name, own in times.items()}
    probe = measured()
    begun = time.perf_counter()
    probe.frame_polars()
    rows = time.perf_counter() - begun
    return {
        "model": reference,
        "batches": len(batches),
        "tokens": int(sum(inputs["attention_mask"].sum() for inputs in batches)),
        **{f"{name}_seconds": round(own, 3) for name, own in least.items()},
        "ratio": round(least["measured"] / least["bare"], 3),
        "rows_seconds": round(rows, 3),
        "parts_seconds": _parts(measured),
    }


def _parts(act: Callable[[], object]) -> dict[str, float]:
    """Return how long each part takes, in one more reading."""
    spent = dict.fromkeys(PARTS, 0.0)

    def timed(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(work)
        def call(*arguments: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            try:
                return work(*arguments, **options)
            finally:
                spent[part] += time.perf_counter() - begun

        return call

    with ExitStack() as exits:
        for part, (owner, name) in PARTS.items():
            work = timed(part, getattr(owner, name))
            exits.enter_context(mock.patch.object(owner, name, work))
        act()
    return {part: round(seconds, 3) for part, seconds in spent.items()}
