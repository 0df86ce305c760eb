"""What a metric is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["MetricSpec"]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """What a metric is, apart from how it is computed: enough to label, draw and cite it."""

    name: str
    """Unique, in snake case; `study.` in front for the published study's metrics."""
    title: str
    """A few words for headings and axes."""
    unit: str
    """Such as `nats`; `1` for a pure number, a share or a probability."""
    axes: tuple[str, ...]
    """What a prompt has a value for: () the stack, ("layer",), ("layer", "head"); a further axis,
    such as "expert", "other layer" or "position bin", is numbered in the column `index`."""
    bounds: tuple[float | None, float | None]
    """Lowest and highest value possible, None where there is none."""
    needs: tuple[str, ...]
    """What must be seen, by the names in `cortexscope.taps.NEEDS`."""
    definition: str
    """One sentence that fixes the number."""
    source: str
    """Where the definition comes from."""
    group: str = "other"
    """What it is about, such as `attention`; `--metric GROUP` asks for the whole group."""
    cost: Literal["low", "high"] = "low"
    """`low` is measured by default; `high` has to be asked for: it takes noticeable time, does not
    compare over lengths where others do, or is not what its sample says (r below 0.9)."""
    sampled: bool = False
    """Measured on a stated sample of each prompt's tokens, unless all are asked for."""
    replication: Literal["prompt", "task", "sequence"] = "prompt"
    """The unit that repeats. `prompt`: every prompt has a value; tokens, layers and heads of one
    prompt are not independent. `task`: a task has one value, made of all its prompts, and so have
    all prompts together. `sequence`: the model has one value, the mean over sequences that are
    generated for the purpose."""
    version: int = 1
    """Raised whenever the numbers change."""
    scale: Literal["number", "label"] = "number"
    """`label` where values name something, such as a feature by its number: they are counted and
    never averaged, compared or correlated."""

    @property
    def index(self) -> str | None:
        """The axis that is numbered in the column `index`, None where there is none."""
        return next((axis for axis in self.axes if axis not in ("layer", "head")), None)
