"""Check every figure of a published file, and say what nothing in it determines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cortexscope.audit._blame import blame, smallest_seen
from cortexscope.audit._grid import INPUTS, Grid
from cortexscope.audit._labels import compare_labels
from cortexscope.audit._published import Published
from cortexscope.audit._recompute import (
    Derived,
    derive,
    loosened,
    rankings_of,
    sds_that_fit,
)
from cortexscope.audit._records import Checked, Convention
from cortexscope.audit._words import counted

__all__ = ["check_tables"]


# So many figures that agree only with cells before rounding are no slips of the pen.
_SEVERAL = 3


def check_tables(published: Published, grid: Grid) -> Checked:
    """Recompute every figure of Tables 2 to 6 from Table 1, and compare every label and count."""
    both = {ddof: derive(published, grid, ddof=ddof) for ddof in (0, 1)}
    rankings = rankings_of(published, grid)
    fits = {ddof: sds_that_fit(figures, grid) for ddof, figures in both.items()}
    ddof = 0 if fits[0] > fits[1] else 1
    own = both[ddof]
    labels, compared = compare_labels(published, grid)
    wrong = blame(own, rankings, grid)
    unrounded = False
    if len(wrong) >= _SEVERAL:
        loose = [loosened(figure, grid) for figure in own]
        rounded = blame(loose, rankings, grid)
        unrounded = len(wrong) - len(rounded) >= _SEVERAL
        own, wrong = (loose, rounded) if unrounded else (own, wrong)
    return Checked(
        figures=len(own) + compared,
        wrong=tuple(sorted([*labels, *wrong], key=lambda own: (own.table != "heading", own.table))),
        conventions=tuple(_conventions(own, fits, grid, unrounded=unrounded)),
        undetermined=tuple(_undetermined(published, grid, own)),
        ddof=ddof,
    )


def _conventions(
    own: Sequence[Derived], fits: Mapping[int, tuple[int, int]], grid: Grid, *, unrounded: bool
) -> Iterator[Convention]:
    (with_n, total), (with_less, _) = fits[0], fits[1]
    if total:
        n = counted(len(grid.models), "model")
        which = "n - 1" if with_less > with_n else "n" if with_less < with_n else "cannot be told"
        yield Convention(
            "Divisor of the standard deviations of Table 3",
            f"{which} (tried both, over the n = {n}: {with_less} of {total} "
            f"with n - 1, {with_n} with n)",
        )
    means = [figure for figure in own if figure.kind == "mean"]
    if means:
        fitting = sum(figure.right(grid.values[figure.metric]) for figure in means)
        cells = "before it was rounded for printing" if unrounded else "as printed"
        yield Convention(
            "Means",
            f"of Table 1 {cells}, each cell counting alike ({fitting} of {len(means)} agree in "
            "their digits; a half may be rounded either way)",
        )


def _undetermined(published: Published, grid: Grid, own: Sequence[Derived]) -> Iterator[str]:
    """Yield what nothing in a file determines, or only to so many digits, a sentence each."""
    for number in (2, 3, 4, 5, 6):
        if not any(table.number == number for table in published.tables):
            yield f"The file has no Table {number}."
    for name in published.unknown:
        yield f"{name} is not one of the study's tables, and is not checked."
    for metric in (*grid.metrics, INPUTS):
        right = [figure for figure in own if figure.right(grid.values[figure.metric])]
        figures = [figure for figure in right if figure.metric == metric]
        seen = {cell: smallest_seen(figures, cell, metric, grid) for cell in grid.values[metric]}
        free = [" ".join(cell) for cell, change in seen.items() if change is None]
        if free:
            named = ", ".join(free[:6]) + (" and others" if len(free) > 6 else "")
            yield f"{metric} of {len(free)} cells of Table 1 is in no other table: {named}."
        changes = sorted(change for change in seen.values() if change is not None)
        if changes and metric != INPUTS:
            yield (
                f"{metric} of Table 1: the derived figures are rounded, so that a cell contradicts "
                f"one of them only where it is off by {changes[0]:.2g} to {changes[-1]:.2g} or "
                f"more (by cell; median {changes[len(changes) // 2]:.2g})."
            )
    if INPUTS in grid.values:
        yield (
            f"{INPUTS} of Table 1 is in other tables only as a sum over a model's rows, which does "
            "not say which row is off."
        )
    if any("Layers" in facts for facts in grid.facts.values()):
        yield (
            "Model_Name, Layers, Heads and Hidden_Size stand in Table 1 only: a model's rows are "
            "compared with one another, and with nothing else."
        )
    if "Generated" in published.headings:
        yield "The time of the heading is compared with the file's name only, where that has one."
