"""What it costs to take parts out: time beside whole passes, memory beside the model's.

    python benchmarks/lesions.py [REFERENCE] [--tokens 512]

Times are CPU seconds. A whole pass is what taking a part out would cost without anything kept: the
model's forward pass, and the divergence of its predictions from the intact model's. Prompts are of
the built-in suite, about as long as its mean.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch

from cortexscope import load_model, load_suite
from cortexscope.comparing import ModelSide, divergence, following
from cortexscope.engine import Batch, Encoded
from cortexscope.interventions import unit_rows
from cortexscope.lesioning._estimates import EstimatePass
from cortexscope.lesioning._lesion import _BACK, _small
from cortexscope.lesioning._parts import parts_of
from cortexscope.lesioning._pass import LesionPass, can_reuse
from cortexscope.lesioning._reuse import Blocks


def resident() -> float:
    """Return the process's resident memory, MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


class Peak:
    """The most resident memory while it is open, MB."""

    def __enter__(self) -> Peak:
        gc.collect()
        # What was freed before goes back first, or it would hide what is taken now.
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        self.most = resident()
        self._open = True
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while self._open:
            self.most = max(self.most, resident())
            time.sleep(0.005)

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._thread.join()


def timed(act: Callable[[], object]) -> float:
    """Return the CPU seconds that something takes."""
    begun = time.process_time()
    act()
    return time.process_time() - begun


def batch_of(model: object, tokens: int) -> Batch:
    """Return prompts of the built-in suite of about so many tokens, longest first."""
    encoded = [
        Encoded(prompt, tuple(model.tokenizer(prompt.text)["input_ids"]))  # type: ignore[attr-defined]
        for prompt in load_suite("cognitive").prompts
    ]
    mean = sum(len(item.ids) for item in encoded) / len(encoded)
    alike = sorted(encoded, key=lambda item: abs(len(item.ids) - mean))
    chosen = alike[: max(1, round(tokens / mean))]
    return Batch(tuple(sorted(chosen, key=lambda item: -len(item.ids))))


def estimated(estimates: EstimatePass, batch: Batch) -> None:
    """Read a batch as a lesion does, in pieces."""
    for piece in _small(batch, _BACK):
        estimates.read(piece)


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("reference", nargs="?", default="demo-decoder")
    asked.add_argument("--tokens", type=int, default=512)
    given = asked.parse_args()
    before = resident()
    model = load_model(given.reference)
    size = sum(p.numel() * p.element_size() for p in set(model.module.parameters())) / 1e6
    side, batch = ModelSide(model), batch_of(model, given.tokens)
    blocks = Blocks(model.module, side.reader.anatomy)
    tokens = following(batch, decoder=False).tokens
    print(f"{given.reference}: {size:,.0f} MB, {batch.tokens:,} tokens in one batch")

    def whole() -> None:
        with torch.inference_mode():
            states = side.read(batch)
            divergence([(side.head, states.expand(2, *states.shape))], tokens)

    with torch.inference_mode():
        side.read(batch)
        reuse = can_reuse(side, blocks, Batch(batch.items[-1:]))
    print(f"states before a part are taken over: {reuse}")
    with Peak() as peak:
        one = min(timed(whole) for _ in range(2))
    print(f"a whole pass: {one:.2f} s, {(peak.most - before) / size:.2f} of the model's memory")
    parts = [part for kind in ("layers", "attention", "mlp") for part in parts_of(model, kind)]
    with Peak() as peak:
        spent = timed(lambda: LesionPass(side, blocks, reuse=reuse).read(batch, parts))
    print(
        f"{len(parts)} layers, attention and MLPs: {spent:.1f} s, "
        f"{spent / len(parts) / batch.tokens * 1e6:,.0f} us a part and token, "
        f"{spent / len(parts) / one:.0%} of as many whole passes, "
        f"{(peak.most - before) / size:.2f} of the model's memory"
    )
    for kind in ("heads", "neurons"):
        rows = unit_rows(model, kind)
        with Peak() as peak:
            spent = timed(lambda k=kind, r=rows: estimated(EstimatePass(side, k, r), batch))  # type: ignore[misc]
        print(
            f"{sum(row.units for _, row in rows):,} {kind} by estimate: {spent:.1f} s, "
            f"{spent / one:.1f} whole passes, {(peak.most - before) / size:.2f} of the model's "
            "memory"
        )


if __name__ == "__main__":
    main()
