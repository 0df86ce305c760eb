"""Carry out the passes of a comparison, shard by shard, and keep what is finished."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cortexscope.comparing._drift import unrelated
from cortexscope.comparing._pass import Names, PairPass, unread_row
from cortexscope.comparing._sides import ModelSide, Side
from cortexscope.engine import Batch, Progress, Setup, Shard
from cortexscope.store import DRIFTS, PAIRS, PairPlan, Run, SideWriter

if TYPE_CHECKING:
    from cortexscope.records import Prompt

__all__ = ["Base", "Bits", "Planned", "base_of", "bits_of", "write_pair", "write_unread"]

_VERSION = 1
"""Raised where the numbers of a pair change."""

Ids = tuple[tuple[int, ...], tuple[int, ...] | None]
"""A prompt's token ids, and those of its target where a decoder reads them."""

Bits = Mapping[str, Mapping[str, tuple[float | None, str | None]]]
"""Bits per byte and why there are none, by model and prompt."""

OTHER_TOKENS = (
    "the models' tokenizers cut the prompt into different tokens, which cannot be compared one by "
    "one"
)


@dataclass(frozen=True)
class Planned:
    """What is read of one model."""

    setup: Setup
    shards: Sequence[Shard]

    @property
    def label(self) -> str:
        """The model's."""
        return self.setup.info.model

    @property
    def ids(self) -> dict[str, Ids]:
        """How the model reads each prompt, by the prompt's id."""
        return {
            item.prompt.id: (item.ids, item.target)
            for shard in self.shards
            for batch in shard.batches
            for item in batch.items
        }

    @property
    def identity(self) -> list[Any]:
        """What decides the model's numbers, as data."""
        info = self.setup.info.model_dump()
        names = ("model", "checkpoint_of", "training_step")
        return [
            {name: own for name, own in info.items() if name not in names},
            asdict(self.setup.loading),
        ]

    def in_bfloat16(self) -> Planned:
        """Return the same model, to be loaded in bfloat16."""
        loading = replace(self.setup.loading, dtype="bfloat16")
        return replace(self, setup=replace(self.setup, loading=loading))

    def load(self) -> ModelSide:
        """Return the model, loaded."""
        return ModelSide(self.setup.open_model().load())


class Base:
    """What others are compared with, loaded when it is first asked for.

    Args:
        label: its name.
        ids: how it reads each prompt, by the prompt's id.
        identity: what decides its numbers, as data.
        load: makes it.
    """

    def __init__(
        self,
        label: str,
        ids: Mapping[str, Ids],
        identity: list[Any],
        load: Callable[[], Side],
    ) -> None:
        self.label = label
        self.ids = ids
        self.identity = identity
        self._load = load
        self._side: Side | None = None

    @property
    def side(self) -> Side:
        """The model, or what stands for it."""
        if self._side is None:
            self._side = self._load()
        return self._side


def base_of(planned: Planned) -> Base:
    """Return a model of the run as what others are compared with."""
    return Base(planned.label, planned.ids, planned.identity, planned.load)


def write_pair(
    writer: SideWriter,
    base: Base,
    other: Planned,
    *,
    noise: bool,
    bits: Bits,
    progress: Progress,
) -> None:
    """Let a model read the suite in lockstep with the base, and write what comes of each shard.

    Shards that are there already are not read again.

    Args:
        writer: of the run's pairs.
        base: what the model is compared with.
        other: the model.
        noise: whether it is the base itself in bfloat16.
        bits: of prompts that the two read as different tokens.
        progress: told what happens.

    Raises:
        ModelError: if a model cannot be loaded or fails.
        StoreError: if a file cannot be written.
    """
    label = f"{base.label} in bfloat16" if noise else other.label
    names = Names(base.label, label, noise)
    digest = _digest([_VERSION, base.identity, other.identity, [*map(_ids, other.shards)]])
    plan = PairPlan(names.base, names.model, digest, len(other.shards))
    done = writer.done(plan)
    todo = [shard for shard in other.shards if shard.number not in done]
    if not todo:
        return
    progress.note(f"{label}: reads the prompts again beside {base.label}")
    tokens = sum(shard.tokens for shard in other.shards)
    side, ours = other.load(), base.side
    apart = _apart(ours, side)
    both = PairPass(names, ours, side, apart=apart)
    progress.begin(label, tokens, tokens - sum(shard.tokens for shard in todo))
    try:
        for shard in todo:
            tables = [both.read(batch) for batch in _same(shard.batches, base.ids)]
            rest = list(_unread(shard.batches, base.ids, names, bits, OTHER_TOKENS))
            predictions = [table for table, _ in tables]
            predictions.append(pa.Table.from_pylist(rest, PAIRS))
            drifts = [table for _, table in tables]
            writer.write(
                plan,
                shard.number,
                pa.concat_tables(predictions),
                pa.concat_tables([DRIFTS.empty_table(), *drifts]),
            )
            progress.advance(label, shard.tokens)
    finally:
        progress.end(label)
        del both, side
        gc.collect()


def write_unread(
    writer: SideWriter,
    names: Names,
    prompts: Sequence[Prompt],
    reason: str,
    bits: Bits,
) -> None:
    """Write rows of prompts that two models did not read together.

    Args:
        writer: of the run's pairs.
        names: of the two models.
        prompts: all of the run.
        reason: why not.
        bits: per byte, as the run has them.
    """
    rows = [
        unread_row(names, prompt, reason, _bits(bits, names, prompt.id), reason)
        for prompt in prompts
    ]
    plan = PairPlan(names.base, names.model, _digest([_VERSION, reason, repr(rows)]), 1)
    writer.done(plan)
    writer.write(plan, 0, pa.Table.from_pylist(rows, PAIRS), DRIFTS.empty_table())


def bits_of(run: Run) -> Bits:
    """Return what a run has of bits per byte."""
    if "bits_per_byte" not in run.manifest.metrics:
        return {}
    found: dict[str, dict[str, tuple[float | None, str | None]]] = {}
    table = run.measurements_table(metrics=["bits_per_byte"], controls=True)
    columns = (table[name].to_pylist() for name in ("model", "prompt_id", "value", "reason"))
    for model, prompt, value, reason in zip(*columns, strict=True):
        found.setdefault(model, {})[prompt] = value, reason
    return found


def _bits(bits: Bits, names: Names, prompt: str) -> tuple[float | None, float | None, str | None]:
    nothing = (None, "bits per byte was not measured of it")
    own = [bits.get(model, {}).get(prompt, nothing) for model in (names.base, names.model)]
    reason = next((why for value, why in own if value is None), None)
    return own[0][0], own[1][0], reason


def _apart(base: Side, other: ModelSide) -> str | None:
    """Return why states are not compared one by one, None where they are."""
    if not isinstance(base, ModelSide):
        return "of the base no states of layers were kept"
    if base.layers != other.layers:
        blocks = (" and ".join(map(str, side.layers.values())) for side in (base, other))
        return "the models have {} and {} layers".format(*blocks)
    return unrelated(base.reader.model.module, other.reader.model.module)


def _same(batches: Sequence[Batch], base: Mapping[str, Ids]) -> Iterator[Batch]:
    """Yield batches with those prompts that the base reads as the same token ids."""
    for batch in batches:
        items = [own for own in batch.items if base.get(own.prompt.id) == (own.ids, own.target)]
        if items:
            yield Batch(tuple(items))


def _unread(
    batches: Sequence[Batch], base: Mapping[str, Ids], names: Names, bits: Bits, reason: str
) -> Iterator[dict[str, Any]]:
    """Yield rows of the prompts that the base reads as other token ids."""
    for batch in batches:
        for item in batch.items:
            if base.get(item.prompt.id) != (item.ids, item.target):
                own = _bits(bits, names, item.prompt.id)
                yield unread_row(names, item.prompt, reason, own, reason)


def _ids(shard: Shard) -> list[Any]:
    return [
        [[item.prompt.id, item.ids, item.target] for item in batch.items] for batch in shard.batches
    ]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()
