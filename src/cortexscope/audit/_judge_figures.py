"""Claims that quote figures: each is recomputed, in the digits quoted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cortexscope.audit._claims import (
    ArchitectureFigures,
    ModelFigures,
    TaskFigures,
    metric_unit,
    spoken,
)
from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._rounding import agrees, is_number

__all__ = ["architecture_figures", "compared", "model_figures", "task_figures"]


def compared(
    name: str, claimed: str, known: Known | None, *, metric: str, note: str = ""
) -> Quantity:
    """Return a quoted figure beside what it should be; None where that is not known."""
    if known is None or math.isnan(known.value):
        return Quantity(name, claimed, None, note="not in this source")
    right = agrees(claimed, known.value, slack=known.half)
    return Quantity(name, claimed, known.value, right=right, note=note, unit=metric_unit(metric))


def architecture_figures(spec: ArchitectureFigures, evidence: Evidence) -> Check:
    """Recompute averages of architectures, over models."""
    return _verdict(
        evidence,
        [
            compared(
                f"{spoken(metric)}, {kind}s",
                text,
                evidence.architecture(metric, kind),
                metric=metric,
                note=f"n = {len(evidence.models_of(metric, kind))} models",
            )
            for kind, claimed in spec.values.items()
            for metric, text in claimed.items()
        ],
    )


def model_figures(spec: ModelFigures, evidence: Evidence) -> Check:
    """Recompute averages of models, and compare their facts."""
    if evidence.cells is None:
        return evidence.says("cannot be checked", "No other claim says what they are made of.")
    quantities = []
    for model, claimed in spec.values.items():
        facts = evidence.facts.get(model, {})
        for column, text in claimed.items():
            name = f"{spoken(column)}, {model}"
            if is_number(text):
                known = evidence.models.get(column, {}).get(model)
                quantities.append(compared(name, text, known, metric=column))
            elif column in facts:
                right = facts[column] == text
                quantities.append(Quantity(name, text, facts[column], right=right))
            else:
                quantities.append(Quantity(name, text, None, note="not in this source"))
    return _verdict(evidence, quantities)


def task_figures(spec: TaskFigures, evidence: Evidence) -> Check:
    """Recompute means and standard deviations of tasks, over models."""
    if evidence.cells is None:
        return evidence.says("cannot be checked", "No other claim says what they are made of.")
    cells = evidence.cells.get(spec.metric, {})
    quantities = []
    for task, claimed in spec.values.items():
        own = [value for (_, name), value in cells.items() if name == task]
        sd = Known(_sd(own, evidence.ddof)) if own else None
        mean = evidence.tasks.get(spec.metric, {}).get(task)
        n = f"n = {len(own)} models"
        of = f"{spoken(spec.metric)}, {spoken(task)}"
        divisor = "n - 1" if evidence.ddof else "n"
        quantities += [
            compared(f"mean of {of}", claimed.mean, mean, metric=spec.metric, note=n),
            compared(
                f"sd of {of}", claimed.sd, sd, metric=spec.metric, note=f"{n}, divided by {divisor}"
            ),
        ]
    return _verdict(evidence, quantities)


def _sd(values: Sequence[float], ddof: int) -> float:
    if len(values) <= ddof:
        return math.nan
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - ddof))


def _verdict(evidence: Evidence, quantities: Sequence[Quantity]) -> Check:
    known = [quantity for quantity in quantities if quantity.right is not None]
    wrong = [quantity for quantity in known if not quantity.right]
    if not known:
        return evidence.says("cannot be checked", "None of them is in this source.", *quantities)
    if wrong:
        names = "; ".join(_difference(quantity) for quantity in wrong[:3])
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        said = f"{len(wrong)} of {len(known)} figures differ: {names}{more}."
        return evidence.says("contradicted", said, *quantities)
    if len(known) < len(quantities):
        said = (
            f"{len(known)} of {len(quantities)} figures agree; the others are not in this source."
        )
        return evidence.says("cannot be checked", said, *quantities)
    said = f"All {len(known)} figures agree, in the digits printed."
    return evidence.says("holds", said, *quantities)


def _difference(quantity: Quantity) -> str:
    found = quantity.found
    text = f"{found:.6g}" if isinstance(found, float) else str(found)
    return f"{quantity.name} is {text}, not {quantity.claimed}"
