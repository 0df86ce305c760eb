"""What each part of a model is needed for, and which measure predicts it."""

from __future__ import annotations

from cortexscope.document import Block, Fold, Prose, Section
from cortexscope.report._shown import Shown

__all__ = ["build"]

_TOLD = (
    "Each part was taken out alone, on the same prompts. A model without a part is no model that "
    "was ever trained: what its other parts then read is unlike anything they know, so that an "
    "effect says what is lost, and not what the part computes. Parts that stand in for each other "
    "both look unneeded."
)


def build(shown: Shown) -> Section | None:
    """Return the findings, maps and tables; None where no part was taken out."""
    from cortexscope.report.lesioned import (
        lesion_findings,
        lesion_measures_table,
        lesion_parts_table,
        lesion_specific_table,
    )
    from cortexscope.report.lesioned_values import lesion_values_table

    if not shown.frames.measured.lesioned:
        return None
    analysis = shown.frames.analysis
    blocks: list[Block] = [Prose(lesion_findings(analysis), "list"), Prose((_TOLD,))]
    blocks += shown.figures_named("lesion_depth")
    blocks += shown.folded("Which tasks need which parts", "lesion_map")
    blocks.append(Fold("What each part is needed for", (lesion_parts_table(analysis),)))
    named = lesion_specific_table(analysis)
    if len(named.frame):
        blocks.append(named)
    if len(analysis.table("lesion_measures")):
        blocks.append(Fold("Which measure predicts need?", (lesion_measures_table(analysis),)))
    if len(analysis.table("lesion_values")):
        blocks.append(Fold("What becomes of metrics", (lesion_values_table(analysis),)))
    return Section("lesion", "What each part is needed for", tuple(blocks), short="Need")
