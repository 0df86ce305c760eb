"""Attention entropy against the length of the prompt: the study's sum and the fair mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from cortexscope.document import UNDEFINED, Column, Figure, Part, Points, Scatter, Table
from cortexscope.report._correlations import (
    NORMALIZED_ENTROPY,
    STUDY_ENTROPY,
    length_correlation,
    r_of,
)
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._missing import absence
from cortexscope.report.figures._words import counted, sentence, spanned, subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Length", "build"]

_PAIR = (STUDY_ENTROPY, NORMALIZED_ENTROPY)
_CAPTION = (
    "One point a prompt. r is Pearson's correlation of the metric with the number of tokens over "
    "the prompts of a model, with Fisher's 95 % interval, which takes the prompts as independent. "
    "Tokens are counted by each model's own tokenizer, special tokens included. "
)


@dataclass(frozen=True, slots=True)
class Length:
    """One point a prompt: metrics against tokens, with a correlation a model."""

    metrics: tuple[str, ...] = _PAIR
    tasks: tuple[str, ...] = ()
    """Only the prompts of these, all where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run."""
        panels: list[Scatter] = []
        notes = list(stacks_note(frames.many_stacked))
        for metric in self.metrics:
            clouds, empty = [], []
            for model in frames.labels:
                rows = frames.values_of(model, metric)
                rows = rows[rows["value"].notna() & rows["n_tokens"].notna()]
                rows = rows[rows["task"].isin(self.tasks)] if self.tasks else rows
                if len(rows):
                    clouds.append(_cloud(frames, rows, model, metric, self.tasks))
                else:
                    empty.append(model)
            if clouds:
                panels.append(
                    Scatter(
                        title=labels.title(metric),
                        x_title="Prompt length (tokens)",
                        y_title=labels.axis(metric),
                        clouds=tuple(clouds),
                        x_word="tokens",
                    )
                )
            if empty:
                notes.extend(absence(frames, labels, metric, empty))
        return Figure(
            key="length",
            title=f"{subject(labels, self.metrics, _PAIR, 'Attention entropy')} "
            "against prompt length",
            caption=_CAPTION + counted(frames, self.tasks),
            finding=self._finding(frames, labels),
            panels=tuple(panels),
            notes=tuple(notes),
            tables=(self._correlations(frames, labels),),
        )

    def _finding(self, frames: RunFrames, labels: Labels) -> str:
        found = []
        for metric in self.metrics:
            every = [
                length_correlation(frames, model, metric, self.tasks) for model in frames.labels
            ]
            values = [own.value for own in every]
            known = [value for value in values if value is not None]
            if known:
                found.append(f"{spanned(known, '.3f')} for {labels.title(metric)}")
        return sentence(
            ["Pearson's r with the number of tokens is " + found[0], *found[1:]] if found else []
        )

    def _correlations(self, frames: RunFrames, labels: Labels) -> Table:
        rows, reasons = [], {}
        for place, (model, metric) in enumerate(product(frames.labels, self.metrics)):
            found = length_correlation(frames, model, metric, self.tasks)
            known = found.low is not None and found.high is not None
            span = f"{found.low:.3f} to {found.high:.3f}" if known else UNDEFINED
            rows.append((plain(model), labels.title(metric), found.value, span, found.n))
            if found.reason:
                reasons[place, "r"] = found.reason
        columns = (
            *(Column(name) for name in ("Model", "Metric")),
            Column("r", "number", decimals=3),
            Column("95 % interval"),
            Column("Prompts", "integer"),
        )
        title = "Correlation with the number of tokens, over prompts"
        part = replace(Part.of(columns, rows, title), reasons=reasons)
        return Table(key="correlations", title=title, parts=(part,))


build = Length()


def _cloud(
    frames: RunFrames, rows: pd.DataFrame, model: str, metric: str, tasks: tuple[str, ...]
) -> Points:
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
        statement=r_of(length_correlation(frames, model, metric, tasks)),
    )
