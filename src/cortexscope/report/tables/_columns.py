"""The columns that the tables share: the study's, and the fair metrics after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.document import Column
from cortexscope.metrics import FAIR, STUDY
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import parameters_text
from cortexscope.report._stacks import stacks_note

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COMPLETE",
    "FAIR",
    "INPUTS",
    "STUDY",
    "TOKENS",
    "VALUES",
    "complete_frame",
    "gaps",
    "numbers",
    "reasons",
    "texts",
]

_WANTED = {**STUDY, **FAIR}

TOKENS = "Mean_Tokens"
INPUTS = Column("Inputs_Analyzed", "integer")
VALUES = (*STUDY, *FAIR, TOKENS)


def texts(*names: str) -> tuple[Column, ...]:
    """Return columns of text."""
    return tuple(Column(name, "text") for name in names)


def numbers(*names: str) -> tuple[Column, ...]:
    """Return columns of numbers: four decimals as in the study, one for a mean length."""
    return tuple(
        Column(
            name,
            "number",
            1 if name.startswith(TOKENS) else 4,
            term=_WANTED.get(name.removesuffix("_mean").removesuffix("_std"), ""),
        )
        for name in names
    )


COMPLETE = (
    *texts("Model"),
    *(Column(name, aside=True) for name in ("Model_Name", "Architecture", "Parameters")),
    *(Column(name, "integer", aside=True) for name in ("Layers", "Heads", "Hidden_Size")),
    *texts("Category"),
    *numbers(*STUDY),
    INPUTS,
    *numbers(*FAIR, TOKENS),
)


def complete_frame(frames: RunFrames) -> pd.DataFrame:
    """Return a row for every planned model and task: the columns of Table 1, and `count`.

    `count` is the number of parameters as a number. Other tables are made of these rows, so that
    a task counts once whatever its number of prompts, as in the study.
    """
    import pandas as pd

    described = frames.models.rename(
        columns={
            "name": "Model_Name",
            "stack_kind": "Architecture",
            "layers": "Layers",
            "heads": "Heads",
            "hidden_size": "Hidden_Size",
            "parameters": "count",
        }
    )[["model", "Model_Name", "Architecture", "count", "Layers", "Heads", "Hidden_Size"]]
    cells = frames.cells(_WANTED.values()).merge(described, on="model", how="left", sort=False)
    values = {
        column: cells[metric] if metric in cells else pd.Series(float("nan"), index=cells.index)
        for column, metric in _WANTED.items()
    }
    cells = cells.rename(
        columns={"model": "Model", "task": "Category", "inputs": INPUTS.name, "tokens": TOKENS}
    ).assign(Parameters=[parameters_text(int(count)) for count in cells["count"]], **values)
    return cells[[*(column.name for column in COMPLETE), "count"]]


def reasons(frames: RunFrames, cells: pd.DataFrame) -> dict[tuple[int, str], str]:
    """Return why cells of `complete_frame` are undefined, by row and column."""
    missing = frames.primary_missing(_WANTED.values())
    known = {
        (str(model), str(metric)): "; ".join(dict.fromkeys(map(str, own["reason"])))
        for (model, metric), own in missing.groupby(["model", "metric"], sort=False)
    }
    found = {}
    for column, metric in _WANTED.items():
        for place in cells[column].isna().to_numpy().nonzero()[0]:
            row = cells.iloc[place]
            why = known.get((row["Model"], metric), "")
            if not row[INPUTS.name]:
                why = "no measurement yet"
            elif metric not in frames.metrics:
                why = "not measured in this run"
            if why:
                found[int(place), column] = why
    return found


def gaps(frames: RunFrames) -> tuple[str, ...]:
    """Return a sentence for everything that the tables' columns lack, and why."""
    notes = list(stacks_note(frames.many_stacked))
    cells = frames.cells(_WANTED.values())
    empty = cells[cells["inputs"] == 0]
    if len(empty):
        notes.append(
            f"{len(empty)} of {len(cells)} combinations of model and task have no "
            "measurement yet; they are shown as – and are in no mean."
        )
    absent = [column for column, metric in _WANTED.items() if metric not in frames.metrics]
    if absent:
        notes.append(f"Not measured in this run: {', '.join(absent)}.")
    columns = {metric: column for column, metric in _WANTED.items()}
    missing = frames.primary_missing(list(columns))
    grouped = missing.groupby(["model", "reason"], sort=False)
    for (model, reason), rows in grouped:
        names = ", ".join(columns[str(metric)] for metric in dict.fromkeys(rows["metric"]))
        prompts = int(rows["prompts"].max())
        notes.append(
            f"{model}: {names} undefined for {prompts} prompt{'s' * (prompts != 1)} or a part of "
            f"{'them' if prompts != 1 else 'it'} ({reason}); left out of the means."
        )
    return tuple(notes)
