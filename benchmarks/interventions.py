"""Parts of demo-decoder taken out, against the same by nnsight: how far the losses lie apart.

    python benchmarks/interventions.py

nnsight (0.8.1) is no dependency; have it where Python finds it. Both read the same texts, one at a
time, and the loss is the mean surprisal of all tokens but the first, in nats. It also says what a
change costs: seconds of CPU of a pass with it and without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from nnsight import NNsight
from torch.nn.functional import cross_entropy

from cortexscope import Change, load_model

_TEXTS = (
    "A train leaves the station at noon and travels sixty miles an hour for two hours.",
    "def add(a, b):\n    return a + b\n\nprint(add(2, 3))",
    "The capital of France is Paris, and the capital of Italy is Rome.",
)
_PARTS = (
    "layers:1",
    "layers:12",
    "layers:30",
    "heads:1.0",
    "heads:5.3",
    "heads:12.8",
    "heads:30.4",
)


def main() -> None:
    model = load_model("demo-decoder")
    module = model.module
    rows = [torch.tensor([model.tokenizer(text)["input_ids"]]) for text in _TEXTS]
    traced = NNsight(module)

    def own(ids: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            logits: torch.Tensor = module(input_ids=ids).logits
        return logits

    intact, seconds = _timed(lambda: _loss(own, rows))
    print(f"{'part':12} {'cortexscope':>12} {'nnsight':>12} {'apart':>9} {'effect':>9} {'cost':>6}")
    worst = 0.0
    for part in _PARTS:
        with Change.of(part).applied(model):
            found, changed = _timed(lambda: _loss(own, rows))
        peer = _loss(lambda ids, part=part: _traced(traced, ids, part), rows)
        worst = max(worst, abs(found - peer))
        print(
            f"{part:12} {found:12.6f} {peer:12.6f} {abs(found - peer):9.1e} "
            f"{found - intact:9.4f} {changed / seconds:6.2f}"
        )
    print(f"largest difference {worst:.1e} nats; the model itself {intact:.6f}")
    assert worst <= 1e-4
    assert _loss(own, rows) == intact


def _traced(traced: Any, ids: torch.Tensor, part: str) -> torch.Tensor:
    """Return the logits of a pass in which nnsight takes a part out."""
    kind, _, where = part.partition(":")
    layer, _, head = where.partition(".")
    with torch.no_grad(), traced.trace(input_ids=ids):
        block = traced.model.layers[int(layer) - 1]
        if kind == "layers":
            block.output = block.input
        else:
            width = 64
            entries = block.self_attn.o_proj.input.clone()
            entries[..., int(head) * width : (int(head) + 1) * width] = 0
            block.self_attn.o_proj.input = entries
        logits = traced.lm_head.output.save()
    found: torch.Tensor = logits
    return found


def _loss(run: Callable[[torch.Tensor], torch.Tensor], rows: list[torch.Tensor]) -> float:
    losses = [
        cross_entropy(run(ids)[0, :-1].double(), ids[0, 1:], reduction="none") for ids in rows
    ]
    return float(torch.cat(losses).mean())


def _timed(run: Callable[[], float]) -> tuple[float, float]:
    started = time.process_time()
    return run(), time.process_time() - started


if __name__ == "__main__":
    main()
