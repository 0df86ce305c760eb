"""What a model predicts of a suite, kept in a file, so that others are compared without it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cortexscope.comparing._divergence import Head
from cortexscope.comparing._pairing import Base, Planned
from cortexscope.comparing._sides import Layer, following
from cortexscope.engine import Batch, Progress
from cortexscope.errors import ModelError, ModelFileError, UsageError
from cortexscope.files import sha256_of, whole_file
from cortexscope.records import Site
from cortexscope.taps import Readout, ReadoutError, Unembedding

__all__ = ["is_saved", "open_saved", "save_base"]

_KIND = "cortexscope.baseline"
_ROWS = 1024


@torch.inference_mode()
def save_base(path: Path, planned: Planned, progress: Progress) -> None:
    """Write what a model's head is given at each token that has a next one, and the head.

    The file takes (tokens x width + vocabulary x width) numbers in the model's precision: for a
    model of width 576 with 49,152 tokens in float32, 113 MB and 2.3 kB a token of the suite.

    Args:
        path: of the file, safetensors.
        planned: the model, and what it reads.
        progress: told what happens.

    Raises:
        ModelError: if the model has no head that can be kept.
        StoreError: if the file cannot be written.
    """
    from safetensors.torch import save

    progress.note(f"{planned.label}: keeps what it predicts in {path}")
    side = planned.load()
    if side.refusal is not None or not isinstance(side.head, Readout):
        raise ModelError(
            f"The predictions of {planned.label} cannot be kept: {side.refusal}; leave out "
            "--save-baseline."
        )
    rows: list[Tensor] = []
    prompts: list[list[Any]] = []
    tokens = sum(shard.tokens for shard in planned.shards)
    progress.begin(planned.label, tokens, 0)
    try:
        for batch in (own for shard in planned.shards for own in shard.batches):
            states = side.read(batch)
            counts = following(batch, decoder=side.reader.has_pair).where.sum(-1).tolist()
            prompts += [
                [item.prompt.id, item.ids, item.target, count]
                for item, count in zip(batch.items, counts, strict=True)
            ]
            if len(states):
                rows.append(side.head.inputs(states).cpu().clone())
            progress.advance(planned.label, batch.tokens)
        head = side.head.unembedding()
    except ReadoutError as error:
        raise ModelError(
            f"The predictions of {planned.label} cannot be kept: {error}; leave out "
            "--save-baseline."
        ) from error
    finally:
        progress.end(planned.label)
    tensors = {"inputs": torch.cat(rows), "weight": head.weight.cpu().contiguous()}
    if head.bias is not None:
        tensors["bias"] = head.bias.cpu().contiguous()
    about = {"label": planned.label, "factor": head.factor, "cap": head.cap, "prompts": prompts}
    content = save(tensors, metadata={_KIND: json.dumps(about)})
    with whole_file(path) as part:
        part.write_bytes(content)


def is_saved(name: str) -> bool:
    """Return whether a baseline is named that is a file."""
    return Path(name).is_file()


def open_saved(path: Path) -> Base:
    """Return a baseline that `save_base` wrote.

    Raises:
        UsageError: if the file is none.
        ModelFileError: if it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})[_KIND])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except KeyError as error:
        raise UsageError(
            f"{path} is no baseline; give a file that `cortexscope compare --save-baseline` wrote, "
            "or the name of a model."
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelFileError(
            f"The baseline {path} cannot be read ({str(error).splitlines()[0]}); make it again "
            "with --save-baseline."
        ) from error
    head = Unembedding(tensors["weight"], tensors.get("bias"), about["factor"], about["cap"])
    ids: dict[str, Any] = {}
    rows: dict[str, Tensor] = {}
    at = 0
    for prompt, own, target, count in about["prompts"]:
        ids[prompt] = tuple(own), None if target is None else tuple(target)
        rows[prompt] = tensors["inputs"][at : at + count]
        at += count
    return Base(about["label"], ids, [sha256_of(path)], lambda: _SavedSide(head, rows))


class _SavedSide:
    """Stands for a model by what its head was given."""

    refusal: str | None = None

    def __init__(self, head: Unembedding, rows: dict[str, Tensor]) -> None:
        self.head: Head = _SavedHead(head)
        self._rows = rows

    def read(self, batch: Batch, show: Callable[[Site, Layer], None] | None = None) -> Tensor:
        """Return what was kept of a batch's prompts; no layer is shown."""
        return torch.cat([self._rows[item.prompt.id] for item in batch.items])


class _SavedHead:
    def __init__(self, head: Unembedding) -> None:
        self._head = head

    @property
    def vocabulary(self) -> int:
        return len(self._head.weight)

    @property
    def rows(self) -> int:
        return _ROWS

    def inputs(self, states: Tensor) -> Tensor:
        return states

    def scores(self, inputs: Tensor) -> Iterator[tuple[int, Tensor]]:
        return self._head.scores(inputs)
