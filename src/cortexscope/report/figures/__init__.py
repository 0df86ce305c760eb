"""The figures of a report as data: one file a figure, and one for those of groups of metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection

from cortexscope.document import Figure
from cortexscope.errors import UnknownNameError
from cortexscope.registry import Registry, suggestion
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels

__all__ = ["FIGURES", "figures_of"]

FIGURES = Registry(
    "figure",
    {
        key: f"cortexscope.report.figures.{key}:build"
        for key in ("task_map", "length", "depth", "experts", "task_means", "heads", "brain")
    },
)
"""Key of a figure -> what makes it of a run's frames and labels, in the order of a report.

Other packages add some in the group `cortexscope.figures`; those of groups of metrics come last.
"""


def figures_of(
    frames: RunFrames, labels: Labels, only: Collection[str] | None = None
) -> tuple[Figure, ...]:
    """Return figures of a run; one with nothing to draw has no panels, and notes say why.

    One that has neither panels nor notes has nothing to do with the run; it is left out where all
    are asked for.

    Args:
        frames: of the run.
        labels: of its metrics.
        only: those with these keys, all where None; no other is made.

    Raises:
        UnknownNameError: if a key is none of `FIGURES` and of no group of the run's metrics, or
            the run has nothing to do with its figure.
    """
    groups: dict[str, Callable[[RunFrames, Labels], Figure]] = {}
    if only is None or not set(FIGURES.names()).issuperset(only):
        from cortexscope.report.figures.groups import groups_of

        groups |= groups_of(frames, labels)
    keys = [*FIGURES.names(), *groups]
    for key in only or ():
        if key not in keys:
            raise UnknownNameError(f"There is no figure {key!r}; {suggestion(key, keys)}")
    made = [
        (groups[key] if key in groups else FIGURES.load(key))(frames, labels)
        for key in keys
        if only is None or key in only
    ]
    shown = tuple(figure for figure in made if figure.panels or figure.notes)
    if only is not None and len(shown) < len(made):
        (first, *_) = (figure.key for figure in made if figure not in shown)
        raise UnknownNameError(
            f"The run has nothing that the figure {first!r} shows; leave it out."
        )
    return shown
