"""Where along depth: metrics layer by layer, what each layer tells, how alike layers are."""

from __future__ import annotations

from cortexscope.document import Block, Prose, Section, Span, Words
from cortexscope.report._shown import Shown

__all__ = ["build"]

_CLOSER = (
    "What each layer tells of the tasks, and how alike layers are, is known once cortexscope stats "
    "has been run; this report then shows it."
)


def build(shown: Shown) -> Section:
    """Return the figures along depth, and what the statistics say of layers."""
    blocks: list[Block] = list(shown.figures_named("depth", "probes"))
    blocks += shown.folded("How alike layers see the prompts", "layer_similarity", "layer_cka")
    blocks += shown.folded("Where massive activations are", "massive")
    blocks += shown.folded("How much the largest features and neurons hold", "cumulative_mass")
    if said := shown.said("depth", "probes", "probe_baselines", "silhouettes", "similarity"):
        blocks.append(Prose(said, "list"))
    if not shown.frames.analysis.kept("probes"):
        blocks.append(Prose((_CLOSER,)))
    more: Words = (
        "Every other metric is drawn along the layers under ",
        Span("All metrics", to="metrics"),
        ".",
    )
    blocks.append(Prose((more,)))
    return Section("layers", "Layers", tuple(blocks))
