"""The study's claims as data: what each says, where it stands, and how it is tested."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ArchitectureFigures",
    "Claim",
    "Count",
    "Elsewhere",
    "InScript",
    "Magnitude",
    "ModelExtreme",
    "ModelFigures",
    "NotMonotonic",
    "Ratio",
    "Shannon",
    "Significant",
    "Spec",
    "Study",
    "TaskExtreme",
    "TaskFigures",
    "TaskOrder",
    "Top",
    "WorkbookOf",
    "metric_unit",
    "spoken",
    "study",
]


_UNITS = {
    "Final_Activation": "hidden-state units",
    "Attention_Entropy": "nats",
    "Max_Sparsity": "share",
}


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Count(_Data):
    """How many there are."""

    kind: Literal["count"]
    of: Literal["combinations", "models", "tasks"]
    value: str
    names: tuple[str, ...] = ()
    """Of the tasks, as the README lists them."""


class TaskExtreme(_Data):
    """A task has the highest or lowest mean of all, or of those left after some."""

    kind: Literal["task_extreme"]
    metric: str
    task: str
    end: Literal["highest", "lowest"]
    after: tuple[str, ...] = ()
    """Tasks that the claim puts before it."""
    each_model: bool = False
    """Whether it is claimed of every model on its own."""


class TaskOrder(_Data):
    """The means of these tasks fall in this order."""

    kind: Literal["task_order"]
    metric: str
    tasks: tuple[str, ...]


class MeanAndSd(_Data):
    """Over the models."""

    mean: str
    sd: str


class TaskFigures(_Data):
    """Figures of tasks."""

    kind: Literal["task_figures"]
    metric: str
    values: dict[str, MeanAndSd]


class ArchitectureFigures(_Data):
    """Figures of architectures, by metric."""

    kind: Literal["architecture_figures"]
    values: dict[str, dict[str, str]]


class ModelFigures(_Data):
    """Facts and figures of models, by column."""

    kind: Literal["model_figures"]
    values: dict[str, dict[str, str]]


class Ratio(_Data):
    """One architecture's average is above another's, perhaps by a stated factor."""

    kind: Literal["ratio"]
    metric: str
    of: str
    to: str
    value: str | None = None


class Significant(_Data):
    """That difference is significant."""

    kind: Literal["significant"]
    metric: str
    of: str
    to: str


class ModelExtreme(_Data):
    """A model has the most extreme average."""

    kind: Literal["model_extreme"]
    metric: str
    model: str
    end: Literal["highest", "lowest", "nearest zero"]
    value: str


class NotMonotonic(_Data):
    """The average neither rises nor falls with the number of parameters throughout."""

    kind: Literal["not_monotonic"]
    metric: str


class Top(_Data):
    """Models or tasks hold so many of the most extreme cells; more than half where no number."""

    kind: Literal["top"]
    metric: str
    end: Literal["highest", "lowest"]
    count: int
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    hits: int | None = None
    range: tuple[str, str] | None = None


class Magnitude(_Data):
    """The metric is a magnitude, which is never negative."""

    kind: Literal["magnitude"]
    metric: str


class Shannon(_Data):
    """The metric is the entropy of attention over keys, at most the logarithm of their number."""

    kind: Literal["shannon"]
    metric: str


class Elsewhere(_Data):
    """Only something that is not given can tell."""

    kind: Literal["elsewhere"]
    needs: str


class InScript(_Data):
    """The study's script computes these metrics."""

    kind: Literal["script"]
    file: str
    words: dict[str, str]
    """By metric, the word that a name for it has."""


class WorkbookOf(_Data):
    """A spreadsheet beside the text file holds the same results."""

    kind: Literal["workbook"]
    file: str


Spec = Annotated[
    Count
    | TaskExtreme
    | TaskOrder
    | TaskFigures
    | ArchitectureFigures
    | ModelFigures
    | Ratio
    | Significant
    | ModelExtreme
    | NotMonotonic
    | Top
    | Magnitude
    | Shannon
    | Elsewhere
    | InScript
    | WorkbookOf,
    Field(discriminator="kind"),
]


class Claim(_Data):
    """One claim of the study."""

    id: str
    words: str
    lines: tuple[int, ...]
    """Of the study's README."""
    check: Spec


class Study(_Data):
    """The published study and what it claims."""

    study: str
    """Its title."""
    models: dict[str, str]
    """Hub ids of its models, by label."""
    claims: tuple[Claim, ...]


@cache
def study() -> Study:
    """Return the published study's claims, in the order of the data file."""
    import yaml

    text = files("cortexscope.audit").joinpath("claims.yaml").read_text(encoding="utf-8")
    content: Any = yaml.safe_load(text)
    return Study.model_validate(content)


def spoken(name: str) -> str:
    """Return a column or task in words.

    Example:
        >>> spoken("Attention_Entropy"), spoken("logical_puzzles")
        ('attention entropy', 'logical puzzles')
    """
    return name.replace("_", " ").lower()


def metric_unit(column: str) -> str:
    """Return the unit of one of the study's columns; empty where it has none.

    Example:
        >>> metric_unit("Max_Sparsity"), metric_unit("Parameters")
        ('share', '')
    """
    return _UNITS.get(column, "")
