"""What the published Table 1 says of a claim, or the figures that other claims quote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cortexscope.audit._claims import (
    ArchitectureFigures,
    Count,
    Elsewhere,
    Magnitude,
    ModelExtreme,
    ModelFigures,
    NotMonotonic,
    Ratio,
    Shannon,
    Significant,
    Spec,
    TaskExtreme,
    TaskFigures,
    TaskOrder,
    Top,
)
from cortexscope.audit._evidence import Evidence
from cortexscope.audit._judge_figures import architecture_figures, model_figures, task_figures
from cortexscope.audit._judge_models import model_extreme, not_monotonic, ratio, significant
from cortexscope.audit._judge_nature import magnitude, shannon
from cortexscope.audit._judge_tasks import task_extreme, task_order
from cortexscope.audit._judge_top import top
from cortexscope.audit._records import Check, Quantity

__all__ = ["judge"]


def judge(spec: Spec, evidence: Evidence) -> Check:
    """Return what the evidence says of a claim."""
    return _WAYS[type(spec)](spec, evidence)


def _count(spec: Count, evidence: Evidence) -> Check:
    models, tasks = evidence.counts["models"], evidence.counts["tasks"]
    if spec.of != "combinations":
        found = evidence.counts[spec.of]
        right = str(found) == spec.value
        quantity = Quantity(spec.of, spec.value, found, right=right)
        return evidence.says(
            "holds" if right else "contradicted", f"{found} {spec.of} are listed.", quantity
        )
    found = evidence.counts.get("combinations", models * tasks)
    right = str(found) == spec.value
    said = f"{models} models and {tasks} tasks give {models * tasks} combinations"
    said += "" if found == models * tasks else f", of which {found} are there"
    quantities = [Quantity("combinations", spec.value, found, right=right)]
    if evidence.inputs is not None:
        quantities.append(Quantity("inputs analysed, in all", None, evidence.inputs))
        if not right and str(evidence.inputs) == spec.value and found:
            each = f"{evidence.inputs / found:g}"
            said += f"; {spec.value} is the number of inputs, {each} for each combination"
    return evidence.says("holds" if right else "contradicted", f"{said}.", *quantities)


def _elsewhere(spec: Elsewhere, evidence: Evidence) -> Check:
    return evidence.says("cannot be checked", f"This needs {spec.needs}.")


_WAYS: Mapping[type, Callable[[Any, Evidence], Check]] = {
    ArchitectureFigures: architecture_figures,
    Count: _count,
    Elsewhere: _elsewhere,
    Magnitude: magnitude,
    ModelExtreme: model_extreme,
    ModelFigures: model_figures,
    NotMonotonic: not_monotonic,
    Ratio: ratio,
    Shannon: shannon,
    Significant: significant,
    TaskExtreme: task_extreme,
    TaskFigures: task_figures,
    TaskOrder: task_order,
    Top: top,
}
