"""What a user chooses of figures: which of a figure's own options, and of what."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, NamedTuple

from cortexscope.document import Figure
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.registry import suggestion
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels

__all__ = ["Builder", "Options", "PublishedModel"]

Builder = Callable[[RunFrames, Labels], Figure]
"""What makes a figure of a run; where it is a dataclass, its fields are the figure's options."""

_LONGEST = 100


class PublishedModel(NamedTuple):
    """A model as the study published it."""

    name: str
    parameters: float
    values: Mapping[str, float]
    """By metric."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a user chose; where nothing was chosen, a figure keeps what it has."""

    metrics: tuple[str, ...] = ()
    """What is drawn, in the place of the figure's own metrics."""
    tasks: tuple[str, ...] = ()
    """Only these."""
    prompt: str = ""
    """The one that is drawn, of figures that draw one."""
    published: tuple[PublishedModel, ...] = ()
    """The study's models, of figures that draw them beside the run's."""

    def __bool__(self) -> bool:
        return bool(self._given())

    def _given(self) -> dict[str, Any]:
        return {own.name: value for own in fields(self) if (value := getattr(self, own.name))}

    def check(self, frames: RunFrames) -> None:
        """Do nothing where the run has what was chosen.

        Raises:
            UnknownNameError: if it has no such metric, task or prompt.
            UsageError: if a metric's values are labels, of which there is nothing to draw.
        """
        for name in self.metrics:
            _known("metric", name, frames.metrics)
            spec = frames.measured.specs.get(name)
            if spec is not None and spec.scale == "label":
                raise UsageError(
                    f"The values of {name!r} are labels, which are counted and never drawn; "
                    "Table 7 has the most frequent one."
                )
        for name in self.tasks:
            _known("task", name, frames.tasks)
        if self.prompt:
            _known("prompt", self.prompt, map(str, frames.prompts["prompt_id"]))

    def taken(self, builder: object) -> bool:
        """Return whether a figure has every option that was chosen."""
        own = {field.name for field in fields(builder)} if is_dataclass(builder) else set()
        return own.issuperset(self._given())

    def applied(self, builder: Any) -> Builder:  # noqa: ANN401 - any dataclass of options
        """Return a figure's builder with what was chosen; its figure is called after that."""
        if not self:
            made: Builder = builder
            return made
        chosen: Builder = replace(builder, **self._given())

        def build(frames: RunFrames, labels: Labels) -> Figure:
            figure = chosen(frames, labels)
            return replace(figure, key=f"{figure.key}-{self._name}")

        return build

    def refused(self, key: str, able: Collection[str]) -> UsageError:
        """Return what is told of a figure that has not every option that was chosen.

        Args:
            key: of the figure.
            able: the keys of the figures that have them.
        """
        words = {
            "metrics": "metrics of choice",
            "tasks": "tasks of choice",
            "prompt": "a prompt of choice",
            "published": "published models",
        }
        chosen = " and ".join(words[name] for name in self._given())
        return UsageError(
            f"The figure {key!r} is not made for {chosen}; these are: {', '.join(able) or 'none'}."
        )

    @property
    def _name(self) -> str:
        names = [*self.metrics, *self.tasks, *([self.prompt] if self.prompt else [])]
        names += ["published"] if self.published else []
        return re.sub(r"[^\w.-]+", "_", "-".join(names))[:_LONGEST]


def _known(kind: str, name: str, known: Iterable[str]) -> None:
    names = set(known)
    if name not in names:
        raise UnknownNameError(f"The run has no {kind} {name!r}; {suggestion(name, names)}")
