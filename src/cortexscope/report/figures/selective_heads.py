"""Heads that tell a task from the others: as they were chosen, and on other prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cortexscope.document import Figure, Range, Ranges
from cortexscope.report._correlations import NORMALIZED_ENTROPY
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report.figures._words import counted, sentence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SelectiveHeads", "build"]

_WORDS = {"adjusted": "at equal lengths", "raw": "as measured"}
_CAPTION = (
    "Hedges g of a task's prompts against all others, {form}. Heads were chosen for the largest "
    "effect on one half of the prompts, which makes it too large; the other half tells how much of "
    "it is left, with the 95 % interval (HC2 errors, Student's t). Drawn are the {most} that "
    "looked largest, of {of} chosen a model; L5H3 is head 3 of layer 5. "
)


@dataclass(frozen=True, slots=True)
class SelectiveHeads:
    """A panel a metric and model: the heads that looked most selective, and what is left of it."""

    metrics: tuple[str, ...] = (NORMALIZED_ENTROPY,)
    tasks: tuple[str, ...] = ()
    """Only heads chosen for these, for all where empty."""
    most: int = 12
    """Heads drawn."""
    form: Literal["adjusted", "raw"] = "adjusted"
    """At equal lengths, or as measured."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one without such heads has no figure and no note."""
        found = _chosen(frames, self.metrics)
        panels, said, notes, of = [], [], [], 0
        for metric in self.metrics if len(found) else ():
            for model in frames.labels:
                own = found[(found["metric"] == metric) & (found["model"] == model)]
                own = own[own["values"] == self.form]
                own = own[own["task"].isin(self.tasks)] if self.tasks else own
                title = f"{labels.title(metric)}, {plain(model)}"
                why = dict.fromkeys(own[own["g"].isna()]["reason"].dropna())
                notes += [f"{title}: {reason}." for reason in why]
                own = own[own["g"].notna()]
                if own.empty:
                    continue
                of = max(of, len(own))
                panels.append(_panel(title, own, self.most))
                kept = (own["low"] > 0) | (own["high"] < 0)
                alike = np.sign(own["g"]) == np.sign(own["chosen_g"])
                said.append(
                    f"{title}: of {len(own)} heads chosen, {int((kept & alike).sum())} have an "
                    "effect on the other half whose interval leaves out 0 on the same side; |g| is "
                    f"{own['chosen_g'].abs().mean():.2f} where they were chosen and "
                    f"{(own['g'] * np.sign(own['chosen_g'])).mean():.2f} there, on average"
                )
        return Figure(
            key="selective_heads",
            title="Heads that tell a task from the others",
            caption=_CAPTION.format(form=_WORDS[self.form], most=min(self.most, of), of=of)
            + counted(frames),
            panels=tuple(panels),
            columns=1,
            notes=tuple(notes),
            finding=sentence(said),
        )


build = SelectiveHeads()


def _chosen(frames: RunFrames, metrics: tuple[str, ...]) -> pd.DataFrame:
    """Return the statistics' table, made of these metrics alone where it is not kept."""
    from cortexscope.analysis import Analysis, metrics_with_values

    analysis = frames.analysis
    whole = set(metrics) <= set(analysis.focus)
    if not (whole and analysis.kept("selective")):
        known = [name for name in metrics if name in metrics_with_values(frames.measured)]
        if not known:
            return analysis.table("selective").iloc[:0]
        analysis = Analysis(frames.measured, metrics=known, settings=analysis.settings)
    return analysis.table("selective")


def _panel(title: str, own: pd.DataFrame, most: int) -> Ranges:
    order = own["chosen_g"].abs().sort_values(ascending=False, kind="stable").index[:most]
    own = own.loc[order]
    first, g, low, high = (
        own[name].to_numpy(dtype=np.float64) for name in ("chosen_g", "g", "low", "high")
    )
    unknown = np.full(len(own), np.nan)
    return Ranges(
        title=title,
        x_title="Hedges g (standard deviations)",
        rows=tuple(
            f"L{layer}H{head} {task_title(str(task))}"
            for layer, head, task in zip(own["layer"], own["head"], own["task"], strict=True)
        ),
        ranges=(
            Range("Half that chose it", 1, first, unknown, unknown),
            Range("Other half", 0, g, low, high),
        ),
        line=0.0,
    )
