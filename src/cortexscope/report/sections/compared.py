"""What a comparison of models found: how far, in which direction, on which task, from where on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.document import Column, Fold, Part, Prose, Section, Table
from cortexscope.report._labels import plain
from cortexscope.report._shown import Shown

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis import Analysis

__all__ = ["build"]

_METRICS = (
    Column("Model"), Column("Metric", wraps=True), Column("Base", "number", digits=4),
    Column("Mean", "number", digits=4), Column("Difference", "number", digits=3),
    Column("Low_95", "number", digits=3), Column("High_95", "number", digits=3),
    Column("P", "number", digits=2), Column("Prompts", "integer"),
)  # fmt: skip
_STATES = (
    Column("Model"), Column("Stack"), Column("Layer", "integer"),
    Column("Distance", "number", digits=3), Column("Without_first", "number", digits=3),
    Column("Cosine", "number", decimals=5), Column("CKA", "number", decimals=4),
    Column("RSA", "number", decimals=4), Column("Procrustes", "number", decimals=4),
)  # fmt: skip
_COLUMNS = {
    "metrics": ("base_mean", "mean", "difference", "low", "high", "p_bh", "prompts"),
    "states": ("layer", "distance", "distance_rest", "cosine", "cka", "rsa", "procrustes"),
}


def build(shown: Shown) -> Section | None:
    """Return the findings, how far predictions, states and metrics lie apart, if any."""
    from cortexscope.analysis import Analysis
    from cortexscope.report.compared import compared_findings, compared_table, compared_tasks

    if shown.frames.measured.pairs().predictions.empty:
        return None
    analysis = Analysis(shown.frames.measured)
    told = Prose(
        (
            "Each model read the prompts beside the one that it is compared with, on the same "
            "token ids where their tokenizers agree.",
        )
    )
    return Section(
        "compared",
        "What changed",
        (
            Prose(compared_findings(analysis), "list"),
            told,
            *shown.figures_named("compared"),
            compared_tasks(analysis),
            Fold("Percentiles of predictions", (compared_table(analysis),)),
            Fold("States, layer by layer", (_states(analysis.table("compared_states")),)),
            Fold("All metrics, paired by prompt", (_metrics(shown, analysis),)),
        ),
        short="What changed",
    )


def _states(table: pd.DataFrame) -> Table:
    rows = [
        (plain(str(row["model"])), row["stack"], *(row[name] for name in _COLUMNS["states"]))
        for row in table.to_dict("records")
    ]
    reasons = {}
    for number, row in enumerate(table.to_dict("records")):
        for column, name, why in (
            ("Distance", "distance", "reason"),
            ("CKA", "cka", "shape_reason"),
        ):
            if row[name] != row[name] and row[why]:
                reasons[number, column] = str(row[why])
    part = Part.of(_STATES, rows)
    return Table(
        key="compared_states",
        title="States beside the base's",
        parts=(Part(part.frame, part.columns, reasons=reasons),),
        notes=(
            "Distance: length of the difference as a share of the base's state, over tokens; "
            "Without_first leaves each prompt's first token out. CKA (debiased), RSA and the "
            "Procrustes distance are of the prompts' mean states after the first token, made of "
            "all prompts together and without interval.",
        ),
    )


def _metrics(shown: Shown, analysis: Analysis) -> Table:
    table = analysis.table("compared_metrics")
    found = table.sort_values("p_bh", kind="stable").to_dict("records") if len(table) else []
    rows = [
        (
            plain(str(row["model"])),
            shown.labels.title(str(row["metric"])),
            *(row[name] for name in _COLUMNS["metrics"]),
        )
        for row in found
    ]
    return Table(
        key="compared_metrics",
        title="Metrics beside the base's",
        parts=(Part.of(_METRICS, rows),),
        notes=(
            "Difference is the model's value less the base's on the same prompt; P is of flipped "
            "signs at equal lengths, adjusted over metrics (Benjamini and Hochberg). Layers and "
            "heads are in stats/compared_layers.csv and compared_heads.csv, which `cortexscope "
            "stats` writes.",
        ),
    )
