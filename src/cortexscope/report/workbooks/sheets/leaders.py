"""Highest values: the highest model of each task and task of each model, and if that holds.

"Best" is said only where a metric has a direction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from cortexscope.document import Column, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._means import Pairs, pairs_of
from cortexscope.report.workbooks._rows import Row, Rows, absent, ends, estimated, known, number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_BETTER: Mapping[str, Literal["lower", "higher"]] = {"bits_per_byte": "lower"}
"""Metrics by which one model may be called better than another: what it says of how well it
predicts the text does not depend on its tokens. Surprisal a token does."""

_AHEAD = ("Ahead by", *ends("Ahead by"))
_COLUMNS = (
    Column("What"),
    Column("Metric"),
    Column("Of"),
    Column("Is"),
    Column("Next"),
    Column("Unit", aside=True),
    number(_AHEAD[0], note="how far it lies from the next"),
    number(_AHEAD[1]),
    number(_AHEAD[2]),
    Column(
        "Holds",
        note="yes: the interval leaves out 0, and of models p of all pairs is at most 0.05. open: "
        "it may be chance.",
    ),
    Column("At equal lengths", note="Whether the task is the highest with length taken out."),
    Column("Prompts", "integer"),
)
_CHANCE = 0.05


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return the highest tasks of the statistics, then the models of each task and of all."""
    rows = Rows()
    _tasks(rows, frames, labels)
    directed = [metric for metric in _BETTER if metric in frames.metrics]
    pairs = pairs_of(frames, directed)
    for metric in dict.fromkeys([*frames.analysis.focus, *directed]):
        _models(rows, metric, frames, labels, pairs)
    part = rows.part(_COLUMNS)
    if not len(part.frame):
        return absent("leaders", "Highest values", "there is neither a second task nor a model")
    named = ", ".join(_BETTER)
    return Table(
        key="leaders",
        title="Highest values",
        parts=(part,),
        notes=(
            "High is no judgement: a model or task is called the best only by a metric that "
            f"has a direction and does not depend on a model's tokens ({named}). A lead that is "
            "open is no finding.",
        ),
    )


def _tasks(rows: Rows, frames: RunFrames, labels: Labels) -> None:
    found = frames.analysis.table("leaders")
    if not len(found):
        return
    raw = found[(found["form"] == "raw") & found["other"].notna()]
    adjusted = {
        (row["metric"], row["scope"]): row["holds"]
        for row in found[found["form"] == "adjusted"].to_dict("records")
    }
    for own in raw.to_dict("records"):
        metric, scope = str(own["metric"]), str(own["scope"])
        cells, why = estimated(_AHEAD, own)
        unit = labels.unit(metric) if scope in frames.labels else "sd"
        row: Row = {"What": "highest task", "Metric": metric, "Of": scope, "Is": own["task"]}
        row |= {"Next": own["other"], "Unit": unit, "Prompts": own["n"]}
        row |= {"Holds": _told(own["holds"])}
        row |= {"At equal lengths": _told(adjusted.get((metric, scope)))}
        rows.add(row | cells, why)


def _models(rows: Rows, metric: str, frames: RunFrames, labels: Labels, pairs: Pairs) -> None:
    better = _BETTER.get(metric, "higher")
    word = {None: "highest", "lower": "best (lowest)", "higher": "best (highest)"}
    for task, means in _by_task(frames, metric):
        ranked = means.sort_values(ascending=better == "lower", kind="stable").index
        if len(ranked) < 2:
            continue
        first, second = map(str, ranked[:2])
        upper, lower = (second, first) if better == "lower" else (first, second)
        found = pairs.between(metric, task, upper, lower)
        ahead, why = estimated(_AHEAD, found)
        clear = known(found["low"]) and known(found["p_max_t"])
        holds = clear and found["low"] > 0 and found["p_max_t"] <= _CHANCE
        row: Row = {"What": f"{word[_BETTER.get(metric)]} model", "Metric": metric}
        row |= {"Of": task or "all tasks", "Is": first, "Next": second}
        row |= {"Unit": labels.unit(metric), "Holds": _told(True if holds else None)}
        row["Prompts"] = min(found["n_a"], found["n_b"]) if "n_a" in found else None
        why |= {"Prompts": why[_AHEAD[0]]}
        why |= {"At equal lengths": "models read the same prompts, each with its own tokens"}
        rows.add(row | ahead, why)


def _by_task(frames: RunFrames, metric: str) -> Iterator[tuple[str | None, pd.Series[float]]]:
    """Yield the models' means over all prompts, then over those of each task."""
    values = frames.values([metric]).dropna(subset=["value"])
    yield None, values.groupby("model", sort=False)["value"].mean()
    for task in frames.tasks:
        own = values[values["task"] == task]
        yield task, own.groupby("model", sort=False)["value"].mean()


def _told(holds: object) -> str:
    return {True: "yes", False: "no, another is"}.get(holds, "open")  # type: ignore[call-overload, no-any-return]
