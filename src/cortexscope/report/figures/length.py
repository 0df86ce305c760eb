"""Attention entropy against the length of the prompt: the study's sum and the fair mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.report._correlations import (
    NORMALIZED_ENTROPY,
    STUDY_ENTROPY,
    length_correlation,
)
from cortexscope.report._figure import Figure, Points, Scatter
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._missing import absence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]


def build(frames: RunFrames, labels: Labels) -> Figure:
    """Return one point a prompt: entropy against tokens, with a correlation a model."""
    panels: list[Scatter] = []
    notes = list(stacks_note(frames.many_stacked))
    for metric in (STUDY_ENTROPY, NORMALIZED_ENTROPY):
        clouds, empty = [], []
        for model in frames.labels:
            values = frames.values([metric])
            rows = values[values["model"] == model]
            rows = rows[rows["value"].notna() & rows["n_tokens"].notna()]
            if len(rows):
                clouds.append(_cloud(frames, rows, model, metric))
            else:
                empty.append(model)
        if clouds:
            panels.append(
                Scatter(
                    title=labels.title(metric),
                    x_title="Prompt length (tokens)",
                    y_title=labels.axis(metric),
                    clouds=tuple(clouds),
                )
            )
        if empty:
            notes.extend(absence(frames, labels, metric, empty))
    return Figure(
        key="length",
        number=2,
        title="Attention entropy against prompt length",
        caption=(
            "One point a prompt. r is Pearson's correlation of the metric with the number of "
            "tokens over the prompts of a model, with Fisher's 95 % interval, which takes the "
            "prompts as independent. Tokens are counted by each model's own tokenizer, special "
            "tokens included."
        ),
        panels=tuple(panels),
        notes=tuple(notes),
    )


def _cloud(frames: RunFrames, rows: pd.DataFrame, model: str, metric: str) -> Points:
    names = (
        f"{plain(str(prompt))} · {task_title(str(task))}"
        for prompt, task in zip(rows["prompt_id"], rows["task"], strict=True)
    )
    return Points(
        label=plain(model),
        slot=frames.slot(model),
        x=rows["n_tokens"].to_numpy(dtype="float64"),
        y=rows["value"].to_numpy(dtype="float64"),
        names=tuple(names),
        statement=str(length_correlation(frames, model, metric)),
    )
