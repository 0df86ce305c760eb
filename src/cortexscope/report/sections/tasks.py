"""What tells tasks apart: effects raw, at equal lengths and matched, and where each task lies."""

from __future__ import annotations

from cortexscope.analysis import CHANCE
from cortexscope.document import Block, Column, Part, Prose, Section, Table
from cortexscope.report._contrasts import higher_first
from cortexscope.report._labels import plain, task_title
from cortexscope.report._shown import Shown

__all__ = ["build"]

_MOST = 12
_INTRO = (
    "Prompts of different tasks differ in length, and much of what a model does follows length. "
    "So every difference is given twice or more: as measured; at equal lengths, with length "
    "fitted beside the tasks; and matched, on prompts of the same lengths. What holds in all is "
    "of the task."
)
_COLUMNS = (
    Column("Metric", wraps=True),
    Column("Model", wraps=True),
    *(Column(name) for name in ("Higher", "Lower")),
    Column("Difference", "number", digits=3),
    Column("Low_95", "number", digits=3),
    Column("High_95", "number", digits=3),
    Column("Hedges_g", "number", decimals=2),
    Column("P", "number", decimals=4),
    Column("Prompts", "integer"),
)


def build(shown: Shown) -> Section:
    """Return the matrix of tasks and metrics, the effects, the means, and pairs that differ."""
    if len(shown.frames.tasks) < 2:
        said = "The run has one task, so that there are none to compare."
        return Section("tasks", "Tasks", (Prose((said,)),))
    blocks: list[Block] = [Prose((_INTRO,))]
    blocks += shown.figures_named("task_matrix")
    blocks.append(shown.table("task_effects"))
    blocks += shown.figures_named("task_means")
    blocks += shown.folded(
        "Which tasks are alike, and how far apart", "similarity", "specialisation"
    )
    return Section("tasks", "Tasks", (*blocks, *_pairs(shown)))


def _pairs(shown: Shown) -> tuple[Section, ...]:
    """Return the pairs of tasks that differ most at equal lengths, where the statistics are kept.

    There are too many to be made for a report alone.
    """
    analysis = shown.frames.analysis
    if not analysis.kept("task_contrasts"):
        said = "Every pair of tasks is compared by cortexscope stats, which this report then shows."
        return (Section("pairs", "Pairs of tasks", (Prose((said,)),)),)
    found = analysis.table("task_contrasts")
    if len(found):
        found = found[(found["form"] == "adjusted") & (found["p_max_t"] <= CHANCE)]
    if not len(found):
        said = "No pair of tasks differs in any metric at equal lengths by more than chance."
        return (Section("pairs", "Pairs of tasks", (Prose((said,)),)),)
    order = found["hedges_g"].abs().sort_values(ascending=False, kind="stable").index
    rows = []
    for row in map(higher_first, found.loc[order[:_MOST]].to_dict("records")):
        names = [task_title(str(row[name])) for name in ("a", "b")]
        ends = [row[name] for name in ("difference", "low", "high", "hedges_g")]
        title, model = shown.labels.title(str(row["metric"])), plain(str(row["model"]))
        n = int(row["n_a"] + row["n_b"])
        rows.append((title, model, *names, *ends, row["p_max_t"], n))
    said = (
        f"{len(found)} pairs of tasks differ at equal lengths by more than chance (p counts all "
        f"pairs, by max-T; differences in the metric's unit, or in standard deviations for all "
        f"models together); the {len(rows)} that lie farthest apart by Hedges' g:"
    )
    table = Table(key="task_pairs", title="Pairs of tasks", parts=(Part.of(_COLUMNS, rows),))
    return (Section("pairs", "Pairs of tasks", (Prose((said,)), table)),)
