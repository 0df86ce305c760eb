"""How many rows a metric gives, told from a model's structure before any weight is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from cortexscope.measure.layout import layout_of
from cortexscope.metrics.base.applicability import inapplicable
from cortexscope.metrics.base.metric import Layout, Metric
from cortexscope.models import Anatomy, Block, find_anatomy
from cortexscope.records import Site

if TYPE_CHECKING:
    from torch import nn

__all__ = ["rows_of"]

_PARTS = {"share": 4, "position bin": 7}
"""Places of an index that every model has alike; 1 for an axis that is not known."""

_CUMULATIVE = 6
"""Shares of `cumulative_mass`."""


_SINKS = "sinks"
"""What a learned sink's parameter is called."""


def rows_of(
    metrics: Sequence[Metric], module: nn.Module, *, heads: int, unit: str = "prompt"
) -> dict[str, int]:
    """Return the rows that each metric gives for one unit of replication, by its name.

    A metric that does not apply to a stack has one row there, which says why; a layer that it does
    not apply to has one too.

    Args:
        metrics: those of other units of replication are left out.
        module: the model, or its outline without weights.
        heads: of each attention layer.
        unit: `prompt` or `sequence`.
    """
    anatomy = find_anatomy(module)
    missing = {*inapplicable([metric.spec for metric in metrics], anatomy)}
    if not any(name.endswith(_SINKS) for name, _ in module.named_parameters()):
        missing |= {m.spec.name for m in metrics if m.spec.needs == ("attention.learned_sink",)}
    structure = _Structure.of(anatomy, heads)
    return {
        metric.spec.name: _of_prompt(metric, structure, missing=metric.spec.name in missing)
        for metric in metrics
        if metric.spec.replication == unit
    }


class _Structure(NamedTuple):
    layout: Layout
    blocks: dict[Site, Block]
    heads: int

    @classmethod
    def of(cls, anatomy: Anatomy, heads: int) -> _Structure:
        blocks = {
            Site(stack.name, layer): block
            for stack in anatomy.stacks
            for layer, block in enumerate(stack.blocks, start=1)
        }
        return cls(layout_of(anatomy, [stack.name for stack in anatomy.stacks]), blocks, heads)


def _of_prompt(metric: Metric, structure: _Structure, *, missing: bool) -> int:
    stacks = _stacks(metric, structure.layout)
    rows = sum(1 if missing else _of_stack(metric, sites, structure) for sites in stacks)
    crossed = [sites for sites in structure.layout.attention if sites[0].stack == "cross"]
    if _kinds(metric) == {"attention"} and not any(sites in stacks for sites in crossed):
        # One row a stack says that what is nearest is not defined across stacks.
        rows += len(crossed)
    return rows


def _kinds(metric: Metric) -> set[str]:
    return {need.partition(".")[0] for need in metric.spec.needs}


def _stacks(metric: Metric, layout: Layout) -> Sequence[Sequence[Site]]:
    """Return the sites that a metric looks at, stack by stack."""
    kinds = _kinds(metric)
    if "lens" in kinds:
        return layout.hidden[-1:] if metric.spec.axes else (layout.final[-1:],)
    if kinds & {"predictions", "masked", "text"}:
        return (layout.final[-1:],)
    own = getattr(metric, "stacks", None)
    if own is not None:
        stacks: Sequence[Sequence[Site]] = own(layout)
        return stacks
    if "attention" in kinds:
        return layout.attention
    if not metric.spec.axes or kinds & {"experts", "mixers"} or metric.spec.index == "other layer":
        return layout.blocks
    return layout.hidden


def _of_stack(metric: Metric, sites: Sequence[Site], structure: _Structure) -> int:
    """Return the rows of one stack."""
    spec, blocks = metric.spec, structure.blocks
    if "layer" not in spec.axes:
        return 1
    seen = _seen(metric, sites, structure)
    if not seen:
        return 1
    unseen = len(sites) - len(seen)
    if spec.index == "other layer":
        return len(sites) * (len(sites) + 1) // 2
    if "head" in spec.axes:
        return len(seen) * structure.heads + unseen
    if spec.index == "expert":
        return sum(blocks[site].expert_count for site in seen) + unseen
    if spec.index == "expert pair":
        counts = [blocks[site].expert_count for site in seen]
        return sum(count * (count - 1) for count in counts) + unseen
    if spec.index is None:
        return len(sites)
    parts = _CUMULATIVE if "cumulative_mass" in spec.name else _PARTS.get(spec.index, 1)
    return len(seen) * parts + unseen


def _seen(metric: Metric, sites: Sequence[Site], structure: _Structure) -> list[Site]:
    """Return the sites of a stack that show a metric something."""
    known, kinds, needs = structure.layout.known, _kinds(metric), metric.spec.needs
    if "attention" in kinds:
        return [site for site in sites if site in known.attention]
    if "experts" in kinds:
        return [site for site in sites if site in known.experts]
    if "mixers" in kinds:
        return [site for site in sites if site in known.mixers]
    if "neurons" in kinds or "inputs.mlp" in needs:
        return [site for site in sites if site in known.neurons]
    if "inputs" in kinds:
        return [site for site in sites if site in known.attention]
    if "updates" in kinds:
        field = "mlp_output" if metric.spec.name.startswith("mlp") else "attention_output"
        return [site for site in sites if getattr(structure.blocks[site], field)]
    return list(sites)
