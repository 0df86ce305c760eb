"""Claims on models and architectures, by their averages."""

from __future__ import annotations

import itertools
import math
from statistics import fmean

from cortexscope.audit._claims import (
    ModelExtreme,
    NotMonotonic,
    Ratio,
    Significant,
    metric_unit,
    spoken,
)
from cortexscope.audit._evidence import Evidence, Known, parameters_of
from cortexscope.audit._judge_figures import compared
from cortexscope.audit._records import Check, Quantity, Verdict
from cortexscope.audit._rounding import agrees

__all__ = ["model_extreme", "not_monotonic", "ratio", "significant"]

_ALPHA = 0.05


def ratio(spec: Ratio, evidence: Evidence) -> Check:
    """Compare two architectures' averages, and their quotient where one is claimed."""
    found = {kind: evidence.architecture(spec.metric, kind) for kind in (spec.of, spec.to)}
    above, below = found[spec.of], found[spec.to]
    if above is None or below is None:
        missing = spec.of if above is None else spec.to
        return evidence.says("cannot be checked", f"No {missing} is listed.")
    counts = {kind: len(evidence.models_of(spec.metric, kind)) for kind in found}
    quantities = [
        Quantity(
            f"{spoken(spec.metric)}, {kind}s", None, known.value,
            note=f"n = {_models(counts[kind])}", unit=metric_unit(spec.metric),
        )
        for kind, known in ((spec.of, above), (spec.to, below))
    ]  # fmt: skip
    beside = f"{above.value:.4g} over {_models(counts[spec.of])} against {below.value:.4g} over "
    beside += _models(counts[spec.to])
    larger = above.above(below)
    if larger is None:
        return evidence.says("cannot be checked", f"Rounding hides it: {beside}.", *quantities)
    right, said = larger, f"{beside}."
    if spec.value is not None and above.value and below.value:
        quotient = above.value / below.value
        # Rounding may have moved both averages, one up and the other down.
        slack = abs(quotient) * (above.half / abs(above.value) + below.half / abs(below.value))
        fits = agrees(spec.value, quotient, slack=slack)
        quantities.append(Quantity("quotient", spec.value, quotient, right=fits))
        right, said = larger and fits, f"{beside}: a factor of {quotient:.3g}."
    below_some = _overlap(spec, evidence)
    return evidence.says("holds" if right else "contradicted", said + below_some, *quantities)


def _overlap(spec: Ratio, evidence: Evidence) -> str:
    """Return the sentence on models that do not follow the averages; empty where there is none."""
    known = evidence.models[spec.metric]
    highest = max(known[name].value for name in evidence.models_of(spec.metric, spec.to))
    exceptions = [
        f"{name} ({known[name].value:.4g})"
        for name in evidence.models_of(spec.metric, spec.of)
        if known[name].value <= highest
    ]
    if not exceptions:
        return ""
    return f" Not above the {spec.to}s, though a {spec.of}: {', '.join(exceptions)}."


def significant(spec: Significant, evidence: Evidence) -> Check:
    """Test the difference over models, by exchanging architectures between them in every way."""
    groups = [evidence.models_of(spec.metric, kind) for kind in (spec.of, spec.to)]
    if not all(groups):
        missing = spec.of if not groups[0] else spec.to
        return evidence.says("cannot be checked", f"No {missing} is listed.")
    values = [evidence.models[spec.metric][name].value for group in groups for name in group]
    n = len(groups[0])
    found = abs(fmean(values[:n]) - fmean(values[n:]))
    ways = list(itertools.combinations(range(len(values)), n))
    as_large = sum(_difference(values, chosen) >= found - 1e-12 for chosen in ways)
    p, least = as_large / len(ways), 1 / len(ways)
    quantities = [
        Quantity(f"difference of {spoken(spec.metric)}, {spec.of}s less {spec.to}s", None,
                 fmean(values[:n]) - fmean(values[n:]), unit=metric_unit(spec.metric)),
        Quantity("p, exact, over models", None, p, note=f"{len(ways)} ways to deal them out"),
        Quantity("smallest p that so many models can give", None, least),
    ]  # fmt: skip
    counts = f"{n} {spec.of}{'s' if n > 1 else ''} and {len(values) - n} {spec.to}"
    counts += "s" if len(values) - n > 1 else ""
    if least > _ALPHA:
        said = f"With {counts} no test over models can find it: the smallest p possible is "
        said += f"{least:.3g}, and here it is {p:.3g}."
        return evidence.says("cannot be checked", said, *quantities)
    verdict: Verdict = "holds" if p <= _ALPHA else "contradicted"
    return evidence.says(verdict, f"p = {p:.3g}, exact, over {counts}.", *quantities)


def _difference(values: list[float], chosen: tuple[int, ...]) -> float:
    left = [value for place, value in enumerate(values) if place not in chosen]
    return abs(fmean(values[place] for place in chosen) - fmean(left))


def model_extreme(spec: ModelExtreme, evidence: Evidence) -> Check:
    """Compare a model's average with all others', and with the figure claimed."""
    averages = evidence.models.get(spec.metric, {})
    if spec.model not in averages or len(averages) < 2:
        said = f"No averages of {spec.model} and of others are known."
        return evidence.says("cannot be checked", said)
    keyed = {name: _key(known, spec.end) for name, known in averages.items()}
    rival = max((name for name in keyed if name != spec.model), key=lambda n: keyed[n].value)
    own, other = averages[spec.model], averages[rival]
    name, unit = spoken(spec.metric), metric_unit(spec.metric)
    figure = compared(f"{name}, {spec.model}", spec.value, own, metric=spec.metric)
    quantities = [figure, Quantity(f"{name}, {rival}", None, other.value, unit=unit)]
    end = "nearest to zero" if spec.end == "nearest zero" else f"the {spec.end}"
    beside = f"{own.value:.4g}, and {rival} has {other.value:.4g}"
    ahead = keyed[spec.model].above(keyed[rival])
    if ahead is None:
        return evidence.says("cannot be checked", f"Rounding hides it: {beside}.", *quantities)
    said = f"Of {len(averages)} models it is {'' if ahead else 'not '}{end}: {beside}."
    if not figure.right:
        said += f" The figure quoted is {spec.value}."
    verdict: Verdict = "holds" if ahead and figure.right else "contradicted"
    return evidence.says(verdict, said, *quantities)


def _key(known: Known, end: str) -> Known:
    value = -abs(known.value) if end == "nearest zero" else known.value
    return Known(-value if end == "lowest" else value, known.half)


def not_monotonic(spec: NotMonotonic, evidence: Evidence) -> Check:
    """Count the rises and falls of an average from the smallest model to the largest."""
    averages = evidence.models.get(spec.metric, {})
    sizes = {name: parameters_of(evidence.facts[name].get("Parameters", "")) for name in averages}
    ordered = sorted((n for n in sizes if not math.isnan(sizes[n])), key=lambda n: sizes[n])
    quantities = [
        Quantity(f"{spoken(spec.metric)}, {name}", None, averages[name].value,
                 note=f"{evidence.facts[name]['Parameters']} parameters",
                 unit=metric_unit(spec.metric))
        for name in ordered
    ]  # fmt: skip
    if len(ordered) < 3:
        said = "Fewer than 3 models have a size and an average."
        return evidence.says("cannot be checked", said, *quantities)
    steps = [averages[after].above(averages[one]) for one, after in itertools.pairwise(ordered)]
    rises, falls = steps.count(True), steps.count(False)
    said = f"From the smallest to the largest of {len(ordered)} models it rises {rises} and falls "
    verdict: Verdict = "holds" if rises and falls else "contradicted"
    return evidence.says(verdict, f"{said}{falls} times.", *quantities)


def _models(count: int) -> str:
    return f"{count} model{'s' if count != 1 else ''}"
