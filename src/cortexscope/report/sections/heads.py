"""The heads that stand out: the highest of each metric, which a mean over all heads hides."""

from __future__ import annotations

import numpy as np

from cortexscope.document import Block, Column, Part, Prose, Section, Span, Table
from cortexscope.report._labels import plain
from cortexscope.report._shown import Shown

__all__ = ["build"]

_MOST = 3
_COLUMNS = (
    Column("Metric", wraps=True),
    Column("Model"),
    Column("Highest heads", wraps=True),
    *(Column(name) for name in ("Mean of all heads", "Lowest head")),
    Column("Heads", "integer"),
)


def build(shown: Shown) -> Section:
    """Return a table with a row a metric and model, and the most selective heads where known."""
    rows = []
    found = shown.frames.heads()
    places = [
        {name: place for place, name in enumerate(names)}
        for names in (shown.frames.metrics, shown.frames.labels)
    ]
    order = np.lexsort([found["model"].map(places[1]), found["metric"].map(places[0])])
    grouped = found.iloc[order].groupby(["metric", "model"], sort=False)
    for (metric, model), own in grouped:
        ranked = own.sort_values(["value", "layer", "head"], ascending=[False, True, True])
        named = [
            f"L{row.layer}H{row.head} {row.value:.3g}"
            for row in ranked[["layer", "head", "value"]].itertuples()
        ]
        rows.append(
            (
                shown.labels.axis(str(metric)),
                plain(str(model)),
                ", ".join(named[:_MOST]),
                f"{ranked['value'].mean():.3g}",
                named[-1],
                len(ranked),
            )
        )
    if not rows:
        said = "No metric that was measured has a value for each head."
        return Section("heads", "Heads", (Prose((said,)),))
    intro: tuple[str | Span, ...] = (
        "L19H6 is head 6 of layer 19, both counted from 0. A value is the mean over prompts of one "
        "head, so that a few heads of a kind are seen which the mean of all heads hides. Every "
        "head of every metric and task can be looked at under ",
        Span("All metrics", to="metrics"),
        ".",
    )
    table = Table(key="top_heads", title="Heads that stand out", parts=(Part.of(_COLUMNS, rows),))
    blocks: list[Block] = [Prose((intro,)), table]
    blocks += shown.folded("Maps of all heads, of two metrics", "heads")
    blocks += shown.figures_named("selective_heads")
    if sentences := shown.said("selective"):
        blocks.append(Prose(sentences, "list"))
    return Section("heads", "Heads", tuple(blocks))
