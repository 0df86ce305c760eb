"""Columns of the user's own: which groups or numbers show inside the models, beyond length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.analysis import column_names
from cortexscope.document import Block, Column, Part, Prose, Section, Table
from cortexscope.errors import UsageError
from cortexscope.report._answer import badge
from cortexscope.report._columns import column_table, of_column
from cortexscope.report._labels import plain
from cortexscope.report._shown import Shown

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis import Analysis

__all__ = ["build"]

_MOST = 6
"""The first columns, whose statistics are made for a report alone."""

_INTRO = (
    "The prompts came with columns of their own. Each is asked what tasks are asked: whether its "
    "groups differ in a metric, or what goes with its number, as lengths are and at equal lengths."
)
_FORMS = ("raw", "adjusted", "matched")
_EFFECTS = (
    Column("Metric", wraps=True),
    Column("Model", wraps=True),
    *(
        Column(name, "number", decimals=4)
        for name in ("Raw", "P_raw", "Adjusted", "Partial", "P_adjusted", "Matched", "P_matched")
    ),
    Column("Prompts", "integer"),
)
_SLOPES = (
    Column("Metric", wraps=True),
    Column("Model", wraps=True),
    *(
        Column(f"{name}_{form}", "number", decimals=decimals)
        for form in ("raw", "adjusted")
        for name, decimals in (("Rho", 3), ("Low", 3), ("High", 3), ("P", 4), ("Curve", 4))
    ),
    Column("Prompts", "integer"),
)
_GROUPS = (
    Column("Group", wraps=True),
    Column("Prompts", "integer"),
    Column("Mean tokens", "number", decimals=1),
)


def build(shown: Shown) -> Section | None:
    """Return a section a column; None where the prompts have none."""
    names = column_names(shown.frames.measured)
    if not names:
        return None
    parts: list[Block] = [Prose((_INTRO,))]
    rest: list[str] = []
    for place, name in enumerate(names):
        try:
            found = shown.frames.analysis.by_column(f"attributes.{name}")
        except UsageError as error:
            parts.append(_section(place, name, [Prose((plain(str(error)),))]))
            continue
        main = "slopes" if found.groups.kind == "number" else "effects"
        if place >= _MOST and not found.kept(main):
            rest.append(name)
            continue
        parts.append(_section(place, name, list(_blocks(shown, found, main, place))))
    if rest:
        said = ", ".join(repr(plain(name)) for name in rest)
        parts.append(
            Prose((f"Once cortexscope stats RUN --by COLUMN has been run, it is told of {said}.",))
        )
    return Section("columns", "Your columns", tuple(parts))


def _section(place: int, name: str, blocks: Sequence[Block]) -> Section:
    return Section(f"column_{place + 1}", plain(name), tuple(blocks))


def _blocks(shown: Shown, found: Analysis, main: str, place: int) -> Iterator[Block]:
    why = found.missing(main)
    if why is not None:
        yield Prose((*found.groups.says(), f"Nothing can be told: {why}."))
        return
    table = column_table(found)
    yield Prose((" ".join(found.groups.says()),))
    yield _findings(shown, found, place)
    if main == "effects":
        yield _groups(found, place)
    yield _numbers(shown, found, table, place)
    apart = shown.frames.analysis.by_column(f"attributes.{found.groups.column}", within="task")
    if len(shown.frames.tasks) > 1 and apart.kept(main):
        yield _findings(shown, apart, place)


def _findings(shown: Shown, found: Analysis, place: int) -> Prose:
    """Return a finding a metric, of all models together where there are several."""
    answers = of_column(found, shown.labels, place)
    return Prose(tuple((badge(own), " ", own.text) for own in answers), "list")


def _groups(found: Analysis, place: int) -> Table:
    """Return how many prompts each group has, and how long they are."""
    read = found.read
    read = read[read["kind"] == "original"]
    once = read.drop_duplicates(["model", "prompt_id"])
    sizes = once.groupby("task", observed=True)["prompt_id"].nunique()
    lengths = once.groupby("task", observed=True)["n_tokens"].mean()
    rows = [(plain(str(name)), int(sizes[name]), float(lengths[name])) for name in sizes.index]
    return Table(
        f"column_{place + 1}_groups",
        f"Groups of {plain(str(found.groups.column))}",
        (Part.of(_GROUPS, rows),),
    )


def _numbers(shown: Shown, found: Analysis, table: pd.DataFrame, place: int) -> Table:
    """Return the effects or the slopes, a row a metric and model."""
    number = found.groups.kind == "number"
    columns = _SLOPES if number else _EFFECTS
    rows: list[tuple[object, ...]] = []
    reasons: dict[tuple[int, str], str] = {}
    for (metric, scope), own in table.groupby(["metric", "scope"], sort=False):
        forms = own.set_index("form")
        cells = [
            (form, name)
            for form in (("raw", "adjusted") if number else _FORMS)
            for name in (
                ("rho", "low", "high", "p", "curve_omega_squared")
                if number
                else ("omega_squared", *(["omega_squared_partial"] * (form == "adjusted")), "p")
            )
        ]
        values = [float(forms[name].get(form, np.nan)) for form, name in cells]
        for (form, _), value, column in zip(cells, values, columns[2:], strict=False):
            if np.isnan(value) and isinstance(forms["reason"].get(form), str):
                reasons[len(rows), column.name] = str(forms["reason"][form])
        head = shown.labels.title(str(metric)), plain(str(scope))
        rows.append((*head, *values, int(forms["n"].max())))
    part = Part.of(columns, rows)
    name = plain(str(found.groups.column))
    return Table(
        f"column_{place + 1}",
        f"What goes with {name}" if number else f"What {name} does",
        (Part(part.frame, part.columns, reasons=reasons),),
        notes=(_note(found, number=number),),
    )


def _note(found: Analysis, *, number: bool) -> str:
    settings = str(found.settings)
    how = (
        "P is by permutation and of one metric; in the sentences it counts all that were tested. "
        f"{settings[:1].upper()}{settings[1:]}."
    )
    if number:
        return (
            "Rho is Spearman's rank correlation with its 95 % interval; adjusted, with a curve in "
            "log tokens taken out of both ranks. Curve is the share of all variance that a natural "
            f"cubic spline in the number explains (omega squared); adjusted, beside length. {how}"
        )
    return (
        "Omega squared, as in the table of tasks: the share of all variance that the groups "
        "explain; Partial, of what length leaves. Matched is raw, on prompts matched by length. "
        f"{how}"
    )
