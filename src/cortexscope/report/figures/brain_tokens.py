"""A drawn brain for each token that models added to a prompt; a run with `--generate` has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cortexscope.document import Area, Brain, Figure
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain
from cortexscope.report.figures._words import sentence
from cortexscope.report.figures.brain import METAPHOR, layers_text, reach_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BrainTokens", "build"]

_SCALE = "Standard deviations over the text's tokens, from their mean"
_CAPTION = (
    "A step is one token that the model added to the prompt {prompt}, in the order it added them: "
    "each region is its metric's value of that token alone. Colour and number: how far this "
    "lies from the mean of the tokens that the model added to this prompt, in standard deviations "
    "over them. n = 1 token a brain, so that there is no interval. Of the prompt's own tokens "
    "no values are kept one by one. What has a dashed edge lies inside; grey is no region."
)


@dataclass(frozen=True, slots=True)
class BrainTokens:
    """A panel a token of a model: how far each region lies from its mean over the text's tokens."""

    prompt: str = ""
    """Its id; the first one that models went on from where empty."""
    most: int = 24
    """Tokens of a model that are drawn, the first ones."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one that generated nothing gets no figure and no note."""
        from cortexscope.analysis import regions_of_steps

        texts = frames.measured.generations()
        prompt = self.prompt or (str(texts["prompt_id"].iloc[0]) if len(texts) else "")
        texts = texts[texts["prompt_id"] == prompt]
        found = regions_of_steps(frames.measured, prompt) if len(texts) else None
        panels: list[Brain] = []
        said, notes = [], []
        if found is not None and len(found):
            reach = reach_of(found["z"])
            for row in texts.to_dict("records"):
                pieces = [plain(str(token)).strip() or "(blank)" for token in row["tokens"]]
                own = found[(found["model"] == row["model"])]
                if not len(own):
                    continue
                name = frames.named(str(row["model"]), str(own["stack"].iloc[0]))
                drawn = own[own["step"] <= self.most]
                panels += _panels(drawn, pieces, name, reach, labels)
                said += _said(own, pieces, name)
                if len(drawn) < len(own):
                    notes.append(
                        f"{name} added {len(pieces)} tokens, of which the first {self.most} are "
                        "drawn."
                    )
        return Figure(
            key="brain_tokens",
            title=f"The brain view along generated tokens, a metaphor: {plain(prompt)}",
            caption=f"{METAPHOR} {_CAPTION.format(prompt=plain(prompt))}",
            panels=tuple(panels),
            columns=4,
            notes=tuple(notes),
            finding=sentence(said),
            steps=True,
        )


build = BrainTokens()


def _panels(
    rows: pd.DataFrame, pieces: list[str], name: str, reach: float, labels: Labels
) -> list[Brain]:
    from cortexscope.analysis import REGIONS

    cells: dict[Any, dict[Any, Any]] = {
        (row["step"], row["region"]): row for row in rows.to_dict("records")
    }
    panels = []
    for step in sorted(rows["step"].unique()):
        areas = []
        for region in REGIONS:
            row = cells.get((step, region.key))
            told = f"{labels.title(region.metric)}, {region.formula}"
            areas.append(
                Area(
                    key=region.key,
                    label=region.title,
                    shade=row["z"] if row else math.nan,
                    value=row["value"] if row else math.nan,
                    low=math.nan,
                    high=math.nan,
                    n=1,
                    told=f"{told} ({layers_text(row)})" if row else f"{told}: no value",
                )
            )
        title = f"{name}, token {step}: “{pieces[step - 1]}”"
        panels.append(Brain(title, tuple(areas), reach, _SCALE))
    return panels


def _said(rows: pd.DataFrame, pieces: list[str], name: str) -> list[str]:
    from cortexscope.analysis import REGIONS

    known = rows[rows["z"].notna()]
    if not len(known):
        return []
    row = max(known.to_dict("records"), key=lambda own: abs(own["z"]))
    where = next(region.phrase for region in REGIONS if region.key == row["region"])
    return [
        f"in {name} the strongest of {len(known)} colours is that of token {row['step']}, "
        f"“{pieces[row['step'] - 1]}”, in {where} "
        f"({row['z']:+.1f} standard deviations)"
    ]
