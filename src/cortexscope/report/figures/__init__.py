"""The figures of a report as data: one file a figure, and one for those of groups of metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection

from cortexscope.document import Figure
from cortexscope.errors import UnknownNameError
from cortexscope.registry import Registry, suggestion
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.figures._options import Builder, Options

__all__ = ["ASKED", "FIGURES", "STATISTICS", "Options", "figures_of"]

FIGURES = Registry(
    "figure",
    {
        key: f"cortexscope.report.figures.{key}:build"
        for key in (
            *("compared", "training"),
            *("lesion_depth", "lesion_map"),
            *("task_matrix", "task_map", "length", "depth", "experts", "task_means", "heads"),
            *("similarity", "specialisation", "massive", "cumulative_mass", "prompts", "radar"),
            *("parameters", "logit_lens", "tokens", "power"),
            *("probes", "layer_similarity", "layer_cka", "selective_heads"),
            *("brain", "brain_need", "brain_tokens"),
        )
    },
)
"""Key of a figure -> what makes it of a run's frames and labels, in the order of a report.

Other packages add some in the group `cortexscope.figures`; those of groups of metrics come last.
"""

STATISTICS = {
    "probes": "probes",
    "layer_similarity": "similarity",
    "layer_cka": "similarity",
    "selective_heads": "selective",
}
"""Figures of statistics that take a while, and the table of each.

Where all are drawn, they are drawn of statistics that `cortexscope stats` has kept; one that is
named is drawn in any case.
"""

ASKED = frozenset({"prompts", "radar", "parameters", "logit_lens", "tokens", "power"})
"""Figures that a report leaves out, besides those of groups of metrics, which its chooser shows."""


def figures_of(
    frames: RunFrames,
    labels: Labels,
    only: Collection[str] | None = None,
    options: Options | None = None,
    *,
    report: bool = False,
    each: Callable[[Figure], None] = lambda _: None,
) -> tuple[Figure, ...]:
    """Return figures of a run; one with nothing to draw has no panels, and notes say why.

    One that has neither panels nor notes has nothing to do with the run; it is left out where all
    are asked for.

    Args:
        frames: of the run.
        labels: of its metrics.
        only: those with these keys, all where None; no other is made.
        options: what is drawn in the place of what a figure usually shows; where `only` is None,
            all figures that can show it are made.
        report: whether those that a report leaves out are left out.
        each: told of each figure as soon as it is made.

    Raises:
        UnknownNameError: if a key is none of `FIGURES` and of no group of the run's metrics, the
            run has nothing to do with its figure, or not what is chosen.
        UsageError: if a figure is not made for what is chosen.
    """
    options = options or Options()
    options.check(frames)
    groups: dict[str, Builder] = {}
    grouped = not report if only is None else not set(FIGURES.names()).issuperset(only)
    if grouped and not options:
        from cortexscope.report.figures.groups import groups_of

        groups |= groups_of(frames, labels)
    keys = [*FIGURES.names(), *groups]
    for key in only or ():
        if key not in keys:
            raise UnknownNameError(f"There is no figure {key!r}; {suggestion(key, keys)}")
    if only is None:
        keys = [key for key in keys if not (report and key in ASKED) and _ready(frames, key)]
    builders = {
        key: groups[key] if key in groups else FIGURES.load(key)
        for key in keys
        if only is None or key in only
    }
    if options:
        builders = _able(builders, options, only)
    made = []
    for builder in builders.values():
        made.append(options.applied(builder)(frames, labels))
        each(made[-1])
    shown = tuple(figure for figure in made if figure.panels or figure.notes)
    if only is not None and len(shown) < len(made):
        (first, *_) = (figure.key for figure in made if figure not in shown)
        raise UnknownNameError(
            f"The run has nothing that the figure {first!r} shows; leave it out."
        )
    return shown


def _ready(frames: RunFrames, key: str) -> bool:
    return key not in STATISTICS or frames.analysis.kept(STATISTICS[key])


def _able(
    builders: dict[str, Builder], options: Options, only: Collection[str] | None
) -> dict[str, Builder]:
    """Return the builders that have the options.

    Raises:
        UsageError: if one that was named has not.
    """
    able = {key: own for key, own in builders.items() if options.taken(own)}
    for key in only or ():
        if key not in able:
            every = [name for name in FIGURES.names() if options.taken(FIGURES.load(name))]
            raise options.refused(key, every)
    return able
