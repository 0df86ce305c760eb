"""What models added to one prompt, token by token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cortexscope.document import Figure, Strip
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain
from cortexscope.report.figures._words import sentence

__all__ = ["Tokens", "build"]

_TITLES = {"surprisal": "Surprisal (nats)", "entropy": "Entropy (nats)"}
_CAPTION = {
    "surprisal": "The colour of a token is its surprisal, -ln of the probability that the model "
    "gave to it when it added it to the prompt {prompt}. ",
    "entropy": "The colour of a token is the entropy of the distribution that the model chose it "
    "from when it added it to the prompt {prompt}. ",
}
_MORE = "Each panel has its own scale, from 0. n = 1 text a model, so that there is no interval."


@dataclass(frozen=True, slots=True)
class Tokens:
    """A strip a model of the tokens that it added to one prompt."""

    prompt: str = ""
    """Its id; the first one where empty."""
    value: Literal["surprisal", "entropy"] = "surprisal"

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one that generated nothing gets no figure and no note."""
        texts = frames.measured.generations()
        prompt = self.prompt or (str(texts["prompt_id"].iloc[0]) if len(texts) else "")
        panels, found = [], []
        for row in texts[texts["prompt_id"] == prompt].to_dict("records"):
            values = np.asarray(row[self.value], dtype=np.float64)
            if not len(values):
                continue
            pieces = tuple(plain(str(token)) for token in row["tokens"])
            panels.append(
                Strip(
                    title=f"{plain(str(row['model']))}: {len(pieces)} tokens, mean "
                    f"{values.mean():.3g} nats",
                    value_title=_TITLES[self.value],
                    pieces=pieces,
                    values=values,
                )
            )
            most = int(values.argmax())
            found.append(
                f"token {most + 1} of {plain(str(row['model']))}, “{pieces[most].strip()}”, has "
                f"the largest {self.value}, {values[most]:.3g} nats where the mean is "
                f"{values.mean():.3g}"
            )
        return Figure(
            key="tokens",
            title=f"What models added, token by token: {plain(prompt)}",
            caption=_CAPTION[self.value].format(prompt=plain(prompt)) + _MORE,
            panels=tuple(panels),
            columns=1,
            finding=sentence(found),
        )


build = Tokens()
