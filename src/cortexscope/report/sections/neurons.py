"""What the run knows of single neurons and experts."""

from __future__ import annotations

from cortexscope.document import Block, Prose, Section
from cortexscope.report._shown import Shown

__all__ = ["build"]


def build(shown: Shown) -> Section:
    """Return the load of experts and the selective neurons, or how a run comes to have them."""
    from cortexscope.analysis import TABLES

    blocks: list[Block] = list(shown.figures_named("experts"))
    if not blocks:
        blocks.append(Prose(("No model of this run routes its tokens to experts.",)))
    analysis = shown.frames.analysis
    kept = any(own.settings.get("keep_neurons") for own in shown.frames.manifests)
    if said := shown.said("selective_neurons"):
        blocks.append(Prose(said, "list"))
    elif kept and not analysis.kept("selective_neurons"):
        said = ("Which neurons tell tasks apart is known once cortexscope stats has been run.",)
        blocks.append(Prose(said))
    else:
        why = TABLES["selective_neurons"].absent(analysis)
        blocks.append(Prose((f"{why[:1].upper()}{why[1:]}.",)))
    return Section("neurons", "Neurons and experts", tuple(blocks), short="Neurons")
