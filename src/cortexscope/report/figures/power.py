"""How likely effects are to be found, by how many prompts there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexscope.document import Figure, Line, Lines
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.figures._words import sentence
from cortexscope.stats import power_of

__all__ = ["Power", "build"]

_MARK = 6
_CAPTION = (
    "The chance that a two-sided t test at 0.05 finds a true difference, by its size in standard "
    "deviations over prompts (of two tasks; left) or of the differences between two models' values "
    "of a prompt (right). Markers: as many prompts as this run has. One test alone is meant; where "
    "many metrics are tested, more prompts are needed. Computed from the noncentral t "
    "distribution, so that there is no interval."
)


@dataclass(frozen=True, slots=True)
class Power:
    """A panel for two tasks and one for two models: a curve an effect."""

    effects: tuple[float, ...] = (0.2, 0.5, 0.8, 1.2)
    """In standard deviations."""
    points: int = 40
    """Numbers of prompts at which a curve is computed."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; fewer than two tasks and two models have none."""
        found = frames.analysis.table("power")
        panels, said = [], []
        for paired, title, words, enough in (
            (False, "Two tasks", "Prompts of each task", len(frames.tasks) > 1),
            (True, "Two models", "Prompts that both read", len(frames.labels) > 1),
        ):
            rows = found[found["compared"].str.startswith(title.lower())] if len(found) else found
            if not enough or rows.empty or rows["prompts"].max() < 2:
                continue
            most = max(400.0, 1.2 * float(rows["prompts"].max()))
            x = np.unique(np.geomspace(2, most, self.points).round())
            lines = [
                Line(
                    label=f"Effect of {effect:g} SD",
                    slot=slot,
                    x=x,
                    y=np.array([power_of(int(n), effect, paired=paired) for n in x]),
                )
                for slot, effect in enumerate(self.effects)
            ]
            for compared, own in rows.groupby("compared", sort=False):
                n = int(own["prompts"].iloc[0])
                if n > 1:
                    chances = [power_of(n, effect, paired=paired) for effect in self.effects]
                    lines.append(
                        Line(
                            label="This run",
                            slot=_MARK,
                            x=np.full(len(chances), float(n)),
                            y=np.array(chances),
                            joined=False,
                        )
                    )
                    said.append(
                        f"{n} prompts find an effect of "
                        + ", ".join(f"{effect:g}" for effect in self.effects)
                        + " SD between "
                        + f"{compared} with a chance of "
                        + ", ".join(f"{chance:.2f}" for chance in chances)
                    )
            panels.append(
                Lines(
                    title=title,
                    x_title=words,
                    x_word="prompts",
                    y_title="Power",
                    lines=tuple(lines),
                    x_log=True,
                )
            )
        return Figure(
            key="power",
            title="What effects as many prompts can find",
            caption=_CAPTION,
            panels=tuple(panels),
            finding=sentence(said),
        )


build = Power()
