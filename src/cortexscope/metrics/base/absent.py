"""Why a metric has nothing to say of a stack or a layer."""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "NO_ATTENTION",
    "NO_ATTENTION_MATRIX",
    "NO_EXPERTS",
    "NO_MIXERS",
    "NO_NEURONS",
    "NO_STATES",
    "NO_UPDATES",
    "Absent",
]


class Absent(NamedTuple):
    """Why nothing was seen."""

    anywhere: str
    """In no layer of a stack."""
    here: str
    """In one layer, though in others."""
    unread: str
    """Where the model's structure says that there is something."""


NO_STATES = Absent("no layers", "the layer did not run", "the layer did not run")
NO_ATTENTION = Absent(
    "no attention layers",
    "no softmax attention in this layer",
    "the attention of this layer shows no softmax over its keys",
)
NO_ATTENTION_MATRIX = Absent(
    "no attention with a matrix at this place was found",
    "no attention with a matrix at this place in this layer",
    "the attention of this layer does not read one state a token",
)
NO_EXPERTS = Absent(
    "no experts", "no experts in this layer", "the router of this layer shows no scores"
)
NO_NEURONS = Absent(
    "no MLP with a down projection was found",
    "no MLP with a down projection in this layer",
    "the MLP of this layer does not read one state a token",
)
NO_MIXERS = Absent(
    "no recurrent mixers",
    "no recurrent mixer in this layer",
    "the recurrent mixer of this layer shows nothing of its recurrence",
)
NO_UPDATES = Absent(
    "no matrix was found that leads back to the residual stream",
    "no matrix leads back to the residual stream in this layer",
    "the layer adds nothing that has one state a token",
)
