"""Model comparison: every pair of models over the prompts that both read."""

from __future__ import annotations

from cortexscope.document import Column, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._means import pairs_of
from cortexscope.report.workbooks._rows import Rows, absent, ends, estimated, known, number

__all__ = ["build"]

_DIFFERENCE = ("A less B", *ends("A less B"))
_EFFECT = ("Hedges g", *ends("Hedges g"))
_COLUMNS = (
    Column("Metric"),
    Column("Task"),
    Column("A"),
    Column("B"),
    Column("Unit", aside=True),
    number(_DIFFERENCE[0], "zero", "of the means, each model with its own tokens"),
    number(_DIFFERENCE[1]),
    number(_DIFFERENCE[2]),
    number(_EFFECT[0], note="the difference in standard deviations"),
    number(_EFFECT[1]),
    number(_EFFECT[2]),
    number("p", note="by random exchange of the two models' values of a prompt"),
    number("p, all pairs", note="that the largest of all of its kind is by chance (max-T)"),
    Column("Prompts", "integer", note="of the model with fewer"),
)


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return the statistics' comparisons of models, over all tasks and in each."""
    pairs = pairs_of(frames, frames.analysis.focus)
    rows = Rows()
    for own in pairs.frame.to_dict("records"):
        metric = str(own["metric"])
        task = own["task"] if known(own["task"]) else "all tasks"
        row = {"Metric": metric, "Task": task, "A": own["a"], "B": own["b"]}
        row |= {"Unit": labels.unit(metric), "Prompts": min(own["n_a"], own["n_b"])}
        row |= {"p": own["p"], "p, all pairs": own["p_max_t"]}
        effect = {
            "value": own["hedges_g"],
            "low": own["hedges_g_low"],
            "high": own["hedges_g_high"],
            "reason": own["reason"],
        }
        cells, why = estimated(_DIFFERENCE, own)
        more, reasons = estimated(_EFFECT, effect)
        why |= reasons | dict.fromkeys(("p", "p, all pairs"), why[_DIFFERENCE[0]])
        rows.add(row | cells | more, why)
    part = rows.part(_COLUMNS, within=("Metric",))
    if not len(part.frame):
        return absent("model_comparison", "Model comparison", pairs.reason)
    return Table(
        key="model_comparison",
        title="Model comparison",
        parts=(part,),
        notes=(
            "Models are paired over the prompts that both read, each with its own tokens: a "
            "difference may come from the tokenizer too. Intervals hold with 95 %.",
        ),
    )
