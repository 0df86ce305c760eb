"""Raw data: a row a model and prompt, with its value of each metric."""

from __future__ import annotations

from cortexscope.document import Column, Part, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._rows import absent, measures_of, why_missing

__all__ = ["build"]

_MOST = 1_048_575
"""Rows of a sheet below its headings."""


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return every prompt's values in each model's first stack."""
    import numpy as np
    import pandas as pd

    measures = measures_of(frames, labels)
    keys = ["model", "task", "prompt_id"]
    read = frames.lengths[[*keys, "n_tokens"]].dropna(subset=keys)
    if not len(read) or not measures:
        return absent("raw", "Raw data", "no prompt was read yet")
    # In the order of the suite, not in that of batches.
    places = {name: place for place, name in enumerate(frames.prompts["prompt_id"])}
    models = {name: place for place, name in enumerate(frames.labels)}
    order = np.lexsort([read["prompt_id"].map(places), read["model"].map(models)])
    read = read.iloc[order]
    values = frames.values([own.metric for own in measures])
    wide = values.pivot_table(index=keys, columns="metric", values="value", dropna=False)
    wide = wide.reindex(pd.MultiIndex.from_frame(read[keys]))
    names = {"model": "Model", "task": "Task", "prompt_id": "Prompt", "n_tokens": "Tokens"}
    frame = read.rename(columns=names).reset_index(drop=True)
    for own in measures:
        column = wide[own.metric].to_numpy() if own.metric in wide else float("nan")
        frame[own.mean] = column
    left = len(frame) - _MOST
    frame = frame.head(_MOST)
    columns = (
        *(Column(name) for name in list(names.values())[:3]),
        Column("Tokens", "integer"),
        *(own.columns(labels, "high")[0] for own in measures),
    )
    known: dict[tuple[str, str], str] = {}
    reasons = {}
    for own in measures:
        for row in frame[own.mean].isna().to_numpy().nonzero()[0]:
            key = str(frame["Model"].iloc[row]), own.metric
            if key not in known:
                known[key] = why_missing(frames, *key) or "not measured"
            reasons[int(row), own.mean] = known[key]
    notes = [
        "A value is the mean over the layers and heads of a model's first stack. Colours compare "
        "all rows of a column. Every value by layer and head is in `cortexscope export`."
    ]
    if left > 0:
        notes.append(f"{left:,} more rows are left out: a sheet has no room for them.")
    part = Part(frame[[column.name for column in columns]], columns, reasons=reasons)
    return Table(key="raw", title="Raw data", parts=(part,), notes=tuple(notes))
