"""What a change has taken out of a model: its code still runs, and must not be shown as a part."""

from __future__ import annotations

from cortexscope.interventions import Removed
from cortexscope.records import Site
from cortexscope.taps._attention_rows import AttentionRows, AttentionSample
from cortexscope.taps._inputs import AttentionInput, HeadOutputs, MLPInput, Neurons
from cortexscope.taps._mixing import Mixing
from cortexscope.taps._predictions import Unread
from cortexscope.taps._routing import Routing
from cortexscope.taps._seen import Seen
from cortexscope.taps._updates import Update

__all__ = ["is_gone"]

_INSIDE: dict[str, tuple[type[Seen], ...]] = {
    "attention": (AttentionRows, AttentionSample, AttentionInput, HeadOutputs),
    "mlp": (Neurons, MLPInput, Routing),
}
_INSIDE["layer"] = (*_INSIDE["attention"], *_INSIDE["mlp"], Update, Mixing)


def is_gone(removed: tuple[Removed, ...], site: Site, seen: Seen | Unread) -> bool:
    """Return whether something is of a part that was taken out.

    The state that a layer gives is there in any case.
    """
    return any(isinstance(seen, _INSIDE.get(one.part, ())) and one.holds(site) for one in removed)
