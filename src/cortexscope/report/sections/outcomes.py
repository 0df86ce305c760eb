"""What inside the models tells their right answers from their wrong ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.document import Column, Part, Prose, Section, Table
from cortexscope.report._labels import plain, task_title
from cortexscope.report._shown import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_MOST = 10
_COLUMNS = (
    Column("Model", wraps=True), Column("Task", wraps=True), Column("What", wraps=True),
    Column("Layer", "integer"), Column("AUC", "number", decimals=3),
    Column("Low_95", "number", decimals=3), Column("High_95", "number", decimals=3),
    Column("Above", "number", decimals=3), Column("Above_low", "number", decimals=3),
    Column("Above_high", "number", decimals=3), Column("P", "number", digits=2),
    Column("Rho", "number", decimals=2), Column("Prompts", "integer"),
)  # fmt: skip
_CELLS = (
    "auc", "low", "high", "difference", "difference_low", "difference_high", "p_max_t", "spearman",
)  # fmt: skip


def build(shown: Shown) -> Section | None:
    """Return the findings and the foremost of each model and task; None without outcomes."""
    analysis = shown.frames.analysis
    if shown.frames.measured.outcomes().empty or analysis.missing("outcomes") is not None:
        return None
    told = Prose(
        (
            "It was told what came of the models' answers. Prompts are compared with those of "
            "their own task alone, and each is predicted by what the others show.",
        )
    )
    findings = Prose(tuple(plain(own) for own in analysis.sentences_of("outcomes")), "list")
    return Section(
        "outcomes",
        "What tells right answers from wrong ones",
        (findings, told, _table(shown, analysis.table("outcomes"))),
        short="Right and wrong",
    )


def _table(shown: Shown, table: pd.DataFrame) -> Table:
    rows: list[tuple[object, ...]] = []
    reasons: dict[tuple[int, str], str] = {}
    for (model, task), own in table.groupby(["model", "task"], sort=False):
        baselines = own[own["baseline"].notna()]
        inside = own[own["baseline"].isna()].sort_values("auc", ascending=False, kind="stable")
        few = inside["auc"].isna().all()
        for frame in (baselines.iloc[:0] if few else baselines, inside.head(1 if few else _MOST)):
            for row in frame.to_dict("records"):
                if row["auc"] != row["auc"] and row["reason"]:
                    reasons[len(rows), "AUC"] = str(row["reason"])
                name = row["baseline"]
                if name is None or name != name:
                    name = "any metric" if few else _title(shown, str(row["metric"]))
                layer = None if row["layer"] != row["layer"] or few else int(row["layer"])
                count = None if row["n"] != row["n"] else int(row["n"])
                cells = (row[cell] for cell in _CELLS)
                rows.append((plain(str(model)), task_title(str(task)), name, layer, *cells, count))
    part = Part.of(_COLUMNS, rows)
    return Table(
        key="outcomes",
        title="What tells answers apart",
        parts=(Part(part.frame, part.columns, reasons=reasons),),
        notes=(
            "AUC: of two prompts of one task with different outcomes, how often the one with the "
            "better outcome is put first; 0.5 by chance. Above: by how much it lies above the best "
            "of length, surprisal, both and chance; P counts all metrics and layers of the task "
            "(step-down max-T). Rho: rank correlation with the outcome. The foremost few of many "
            "are shown, whose AUC is a little too high for that; all are in stats/outcomes.csv.",
        ),
    )


def _title(shown: Shown, metric: str) -> str:
    known = metric in shown.frames.measured.specs
    return shown.labels.title(metric) if known else f"Mean {metric}"
