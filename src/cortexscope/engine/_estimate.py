"""What a plan will cost: rows, bytes and memory, told from shapes before weights are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cortexscope.engine._batches import Batch
from cortexscope.engine._plan import Work
from cortexscope.engine._rows import rows_of
from cortexscope.engine._sizes import said_bytes
from cortexscope.errors import UsageError
from cortexscope.models import Anatomy, choose_device, choose_dtype, find_anatomy, linear_bits

if TYPE_CHECKING:
    from torch import nn

    from cortexscope.metrics.base.metric import Metric

__all__ = [
    "Estimate",
    "Memory",
    "check_memory",
    "estimate",
    "sentence",
]

_HEAD_ROW, _OTHER_ROW, _FILE = 3.3, 5.5, 5_000
"""Bytes of a row of a metric of heads, of any other row, and of an empty file of measurements:
measured on the demo models, as they are encoded."""
_RUN, _METRIC = 20_000, 750
"""Bytes of the manifest and of the files of prompts and models, and of a metric's spec."""
_VECTOR, _TENSORS, _PROMPT = 12, 260, 50
"""Bytes of a vector's count and scale, of its tensors' names in a file, of a prompt's name."""
_PROCESS = 500_000_000
"""Bytes of a process with torch and transformers, measured on Linux with the CPU build."""
_ROW_HELD = 250
"""Bytes of a row while its shard is put together and written."""
_STATES, _NEURONS, _ROWS = 12, 3, 4
"""How many tensors of states, neurons and attention rows of one layer are there at once."""
_CHUNK = 64_000_000
"""Most bytes of the attention rows that are looked at together."""


class Memory(NamedTuple):
    """The peak of a device, in bytes: what it is the sum of."""

    process: int
    """Of the process itself, 0 on an accelerator."""
    weights: int
    batch: int
    """States, neurons, attention statistics and logits of the largest batch."""
    rows: int
    """Of a shard until it is written, 0 on an accelerator."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model of a plan will cost."""

    model: str
    parameters: int
    dtype: str
    device: str
    weights: int
    """Bytes of the parameters in this dtype, or as they are quantised."""
    prompts: int
    tokens: int
    """Without padding."""
    padded: int
    """With the padding of the batches."""
    batches: int
    shards: int
    rows: int
    """Of metrics of prompts and sequences; those of tasks are few beside them."""
    bytes: int
    """On disk, without tables, figures and report."""
    memory: Memory


def estimate(work: Work, metrics: Sequence[Metric]) -> Estimate:
    """Return what a model will cost, without what it takes to generate.

    Args:
        work: of the model, as planned.
        metrics: what is measured.
    """
    info = work.source.info
    module = work.source.outline()
    anatomy = find_anatomy(module)
    batches = [batch for shard in work.shards for batch in shard.batches]
    prompts = sum(len(batch.items) for batch in batches)
    rows = rows_of(metrics, module, heads=info.heads)
    once = rows_of(metrics, module, heads=info.heads, unit="sequence")
    each = sum(rows.values())
    held = max(sum(len(batch.items) for batch in shard.batches) for shard in work.shards)
    device = choose_device(work.setup.loading.device).type
    weights = _weights(module, work.setup.loading.quantize)
    shapes = _Shapes.of(module, anatomy, metrics, info.heads)
    item = choose_dtype(info.dtype).itemsize
    own = device == "cpu"
    return Estimate(
        model=info.model,
        parameters=info.parameters,
        dtype=info.quantization or info.dtype,
        device=device,
        weights=weights,
        prompts=prompts,
        tokens=sum(batch.tokens for batch in batches),
        padded=sum(map(_padded, batches)),
        batches=len(batches),
        shards=len(work.shards),
        rows=prompts * each + sum(once.values()),
        bytes=_bytes(work, metrics, rows, anatomy, prompts),
        memory=Memory(
            process=_PROCESS if own else 0,
            weights=weights,
            batch=max(shapes.bytes_of(batch, item) for batch in batches),
            rows=held * each * _ROW_HELD if own else 0,
        ),
    )


def _padded(batch: Batch) -> int:
    return len(batch.items) * (batch.longest + batch.longest_target)


def _weights(module: nn.Module, quantize: str | None) -> int:
    """Return the bytes of all parameters, tied ones counted once."""
    bits = linear_bits(quantize)
    linear = {
        id(part.weight)
        for name, part in module.named_modules()
        if bits is not None and type(part).__name__ == "Linear" and "head" not in name
    }
    return sum(
        weight.numel() * bits // 8
        if bits is not None and id(weight) in linear
        else weight.numel() * weight.element_size()
        for weight in module.parameters()
    )


def _bytes(
    work: Work, metrics: Sequence[Metric], rows: Mapping[str, int], anatomy: Anatomy, prompts: int
) -> int:
    """Return the bytes of a model's share of the run folder."""
    heads = {metric.spec.name for metric in metrics if "head" in metric.spec.axes}
    each = sum(n * (_HEAD_ROW if name in heads else _OTHER_ROW) for name, n in rows.items())
    total = prompts * each + len(work.shards) * _FILE + _RUN + _METRIC * len(metrics)
    # In half precision where no value of a whole task is made of them.
    size = 4 if any(metric.spec.replication == "task" for metric in metrics) else 2
    if work.setup.keep_states:
        for stack in anatomy.stacks:
            layers, width = len(stack.blocks) + 1, stack.width or work.source.info.hidden_size
            total += layers * (prompts * (size * width + _VECTOR) + len(work.shards) * _TENSORS)
        total += prompts * _PROMPT
    if work.setup.keep_neurons:
        module = work.source.outline()
        total += sum(
            size * prompts * _inputs(module, block.neurons)
            for stack in anatomy.stacks
            for block in stack.blocks
        )
    return round(total)


def _inputs(module: nn.Module, path: str | None) -> int:
    """Return how many numbers a matrix reads."""
    if path is None:
        return 0
    part = module.get_submodule(path)
    return int(getattr(part, "in_features", getattr(part, "nx", 0)))


class _Shapes(NamedTuple):
    """What the memory of a batch depends on."""

    width: int
    neurons: int
    heads: int
    vocabulary: int
    """0 where no logits are computed."""

    @classmethod
    def of(
        cls, module: nn.Module, anatomy: Anatomy, metrics: Sequence[Metric], heads: int
    ) -> _Shapes:
        kinds = {need.partition(".")[0] for metric in metrics for need in metric.spec.needs}
        blocks = [block for stack in anatomy.stacks for block in stack.blocks]
        table = module.get_submodule(anatomy.embedding) if anatomy.embedding else None
        reads = anatomy.unembedding is not None and kinds & {"predictions", "lens", "masked"}
        return cls(
            width=max(stack.width or 0 for stack in anatomy.stacks),
            neurons=max((_inputs(module, block.neurons) for block in blocks), default=0),
            heads=heads if "attention" in kinds else 0,
            vocabulary=int(getattr(table, "num_embeddings", 0)) if reads else 0,
        )

    def bytes_of(self, batch: Batch, item: int) -> int:
        """Return the bytes that a batch takes at most, beside the weights."""
        longest = max(batch.longest, batch.longest_target)
        tokens = len(batch.items) * longest
        # Statistics are taken in float32, whatever the model computes in.
        states = tokens * self.width * _STATES * max(item, 4)
        neurons = tokens * self.neurons * _NEURONS * max(item, 4)
        rows = _ROWS * min(tokens * longest * self.heads * 4, _CHUNK)
        logits = min(tokens * self.vocabulary * 4, _CHUNK)
        return states + neurons + rows + logits


def sentence(found: Estimate) -> str:
    """Return in a line what a model will cost."""
    return (
        f"{found.model}: plans {found.prompts:,} prompts, {found.tokens:,} tokens in "
        f"{found.batches:,} batches and {found.shards:,} shards; about {found.rows:,} rows, "
        f"{said_bytes(found.bytes)} on disk and {said_bytes(found.memory.total)} of memory "
        f"({found.device})"
    )


def check_memory(estimates: Sequence[Estimate], most: int) -> None:
    """Check that each model fits the memory that it is given.

    Args:
        estimates: of the models of a plan.
        most: bytes of each device.

    Raises:
        UsageError: if one does not; the sum is shown, and what would help.
    """
    for found in estimates:
        memory = found.memory
        if memory.total <= most:
            continue
        parts = ", ".join(
            f"{said_bytes(size)} {name}"
            for name, size in zip(memory._fields, memory, strict=True)
            if size
        )
        raise UsageError(
            f"{found.model} needs about {said_bytes(memory.total)} on {found.device} ({parts}) and "
            f"may have {said_bytes(most)}; {_help(found, most)}."
        )


def _help(found: Estimate, most: int) -> str:
    """Return what would make a model fit."""
    memory = found.memory
    rest = memory.total - memory.batch
    ways = []
    if rest <= most:
        ways.append("a smaller --batch-tokens")
    if memory.rows and memory.total - memory.rows <= most:
        ways.append("fewer metrics (--metric)")
    if found.dtype in ("float32", "float64"):
        half = found.parameters * 2
        if memory.total - memory.weights + half <= most:
            ways.append(f"--dtype bfloat16 ({said_bytes(half)} of weights)")
    if memory.total - memory.weights * 3 // 4 <= most:
        ways.append("--quantize bnb-4bit")
    if memory.total - memory.weights <= most:
        ways.append("a --device-map that puts parts on disk")
    return f"what would fit: {', '.join(ways)}" if ways else "a smaller model alone would fit"
