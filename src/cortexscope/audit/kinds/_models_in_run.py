"""Claims on models against a run: its models, or those of the study that it has."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cortexscope.audit._evidence import Evidence, Known, parameters_of
from cortexscope.audit._records import Check, Quantity, Verdict
from cortexscope.audit._rounding import is_number
from cortexscope.audit._run_values import RunValues
from cortexscope.audit._words import counted, metric_unit, spoken
from cortexscope.records import ModelInfo
from cortexscope.stats import Mean, mean_of

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.audit.kinds.model_extreme import ModelExtreme
    from cortexscope.audit.kinds.not_monotonic import NotMonotonic
    from cortexscope.audit.kinds.ratio import Ratio
    from cortexscope.audit.kinds.significant import Significant
    from cortexscope.audit.kinds.top import Top

__all__ = [
    "model_extreme_in_run",
    "model_figures_in_run",
    "not_monotonic_in_run",
    "ratio_in_run",
    "significant_in_run",
    "top_in_run",
]

# Of each model in the study: 12 tasks of 2 prompts.
_STUDY_PROMPTS = 24


def ratio_in_run(spec: Ratio, values: RunValues) -> Check:
    """Compare the run's architectures over the prompts that all its models read."""
    table = _by_prompt(values, spec.metric)
    if table is None:
        return values.without(spec.metric)
    kinds = {
        kind: [label for label in table.columns if values.info(str(label)).stack_kind == kind]
        for kind in (spec.of, spec.to)
    }
    for kind, labels in kinds.items():
        if not labels:
            return Check(values.against, "cannot be checked", f"The run has no {kind}.")
    if spec.every:
        return _every_in_run(spec, values, table, kinds)
    averages = {kind: table[labels].mean(axis=1).to_numpy() for kind, labels in kinds.items()}
    found = _mean(table, averages[spec.of] - averages[spec.to])
    verdict, holds = _signed(found)
    means = {kind: float(own.mean()) for kind, own in averages.items()}
    quantities = [
        *(
            Quantity(f"{spoken(spec.metric)}, {kind}s", None, mean,
                     note=f"{', '.join(map(str, kinds[kind]))}; n = {found.n} prompts",
                     unit=metric_unit(spec.metric))
            for kind, mean in means.items()
        ),
        Quantity(f"{spec.of}s less {spec.to}s", "> 0", found.value, found.low, found.high, holds,
                 f"n = {found.n} prompts, read by all; t interval", metric_unit(spec.metric)),
    ]  # fmt: skip
    if spec.value is not None and means[spec.to]:
        quotient = means[spec.of] / means[spec.to]
        note = "of other models, so that it is not judged"
        quantities.append(Quantity("quotient", spec.value, quotient, note=note))
    counts = f"{counted(len(kinds[spec.of]), spec.of)} and {counted(len(kinds[spec.to]), spec.to)}"
    said = (
        f"Over {counts} the difference is {_text(found)}, over {found.n} prompts. It is of these "
    )
    return Check(values.against, verdict, f"{said}models, not of architectures.", tuple(quantities))


def _every_in_run(
    spec: Ratio, values: RunValues, table: pd.DataFrame, kinds: Mapping[str, Sequence[object]]
) -> Check:
    """Compare every model of the one architecture with every one of the other."""
    found = {
        f"{one} less {other}": _mean(table, (table[one] - table[other]).to_numpy())
        for one in kinds[spec.of]
        for other in kinds[spec.to]
    }
    quantities = tuple(
        Quantity(name, "> 0", mean.value, mean.low, mean.high, _signed(mean)[1],
                 f"n = {mean.n} prompts, read by both; t interval", metric_unit(spec.metric))
        for name, mean in found.items()
    )  # fmt: skip
    held = [quantity.right for quantity in quantities]
    refuted = [quantity.name for quantity in quantities if quantity.right is False]
    said = f"Of {counted(len(held), 'pair')} of models {held.count(True)} are clearly so"
    said += f", and clearly not {', '.join(refuted)}." if refuted else "."
    verdict: Verdict = "cannot be checked" if None in held else "holds"
    return Check(values.against, "contradicted" if refuted else verdict, said, quantities)


def significant_in_run(spec: Significant, values: RunValues) -> Check:
    """Test the difference over the run's models."""
    table = _by_prompt(values, spec.metric)
    if table is None:
        return values.without(spec.metric)
    labels = [str(label) for label in table.columns]
    facts = {label: {"Architecture": str(values.info(label).stack_kind)} for label in labels}
    means = {label: Known(float(table[label].mean())) for label in labels}
    counts = {"models": len(labels), "tasks": len(values.tasks)}
    averages = {spec.metric: means}
    return spec.judge(
        Evidence(values.against, facts, counts, averages, {}, values.tasks, None, None)
    )


def model_figures_in_run(figures: Mapping[str, Mapping[str, str]], values: RunValues) -> Check:
    """Ask whether the study's averages could be of as many other prompts, in models of the run."""
    quantities = []
    known = values.of_study()
    for model, label in known.items():
        claimed = figures.get(model, {})
        for column, text in claimed.items():
            if is_number(text):
                quantities.append(_predicted(model, column, text, label, values))
            else:
                quantities.append(_fact(model, column, text, values.info(label)))
    if not quantities:
        said = f"The run has none of the study's {len(figures)} models."
        return Check(values.against, "cannot be checked", said)
    wrong = [quantity for quantity in quantities if quantity.right is False]
    open_ = [quantity for quantity in quantities if quantity.right is None]
    verdict: Verdict = "contradicted" if wrong else "cannot be checked" if open_ else "holds"
    right = len(quantities) - len(wrong)
    said = (
        f"Of the study's {len(figures)} models the run has {len(known)}; {right} of "
        f"{len(quantities)} figures are as they may be for {_STUDY_PROMPTS} prompts of this suite"
    )
    said += f"; not so: {', '.join(quantity.name for quantity in wrong[:4])}." if wrong else "."
    return Check(values.against, verdict, said, tuple(quantities))


def _predicted(model: str, column: str, text: str, label: str, values: RunValues) -> Quantity:
    """Compare a figure with the prediction interval of a mean of as many prompts."""
    from scipy.special import stdtrit

    name, table = f"{spoken(column)}, {model}", _by_prompt(values, column)
    if table is None or label not in table:
        return Quantity(name, text, None, note=f"not measured in {label}")
    numbers = _clustered(table, table[label].to_numpy())
    n, mean = len(numbers), float(numbers.mean())
    if n < 2:
        return Quantity(name, text, mean, note="one prompt tells nothing about the spread")
    reach = float(stdtrit(n - 1, 0.975)) * float(numbers.std(ddof=1))
    reach *= math.sqrt(1 / n + 1 / _STUDY_PROMPTS)
    within = abs(float(text) - mean) <= reach
    note = f"n = {n} prompts; interval of the mean of {_STUDY_PROMPTS} further prompts"
    return Quantity(name, text, mean, mean - reach, mean + reach, within, note, metric_unit(column))


def _fact(model: str, column: str, text: str, info: ModelInfo) -> Quantity:
    if column == "Parameters":
        size = {"K": 1e3, "M": 1e6, "B": 1e9}.get(text[-1:], 1.0)
        found = info.parameters
        right = abs(found - parameters_of(text)) <= 0.0500001 * size
        return Quantity(f"parameters, {model}", text, float(found), right=right)
    right = info.stack_kind == text
    return Quantity(f"{spoken(column)}, {model}", text, info.stack_kind, right=right)


def model_extreme_in_run(spec: ModelExtreme, values: RunValues) -> Check:
    """Compare a model with those of the study that the run has, prompt by prompt."""
    table = _by_prompt(values, spec.metric)
    if table is None:
        return values.without(spec.metric)
    known = {m: label for m, label in values.of_study().items() if label in table.columns}
    if spec.model not in known or len(known) < 2:
        said = f"The run has {spec.model if spec.model in known else 'no ' + spec.model}"
        said += "." if spec.model not in known else " and no other model of the study."
        return Check(values.against, "cannot be checked", said)
    keyed = {model: _key(table[label].to_numpy(), spec.end) for model, label in known.items()}
    own = keyed.pop(spec.model)
    found = {model: _mean(table, own - other) for model, other in keyed.items()}
    quantities = tuple(
        Quantity(f"{spec.model} beyond {model}", "> 0", mean.value, mean.low, mean.high,
                 _signed(mean)[1], f"n = {mean.n} prompts, read by both; t interval",
                 metric_unit(spec.metric))
        for model, mean in found.items()
    )  # fmt: skip
    beyond = [quantity.right for quantity in quantities]
    of = f"of the {len(known)} models of the study that the run has"
    if False in beyond:
        ahead = next(m for m, q in zip(found, quantities, strict=True) if q.right is False)
        return Check(values.against, "contradicted", f"{ahead} is beyond it, {of}.", quantities)
    if None in beyond:
        said = f"Another one may be as far, {of}."
        return Check(values.against, "cannot be checked", said, quantities)
    missing = len(values.hubs) - len(known)
    if missing:
        said = f"It is the one {of}; the other {missing} {'are' if missing > 1 else 'is'} missing."
        return Check(values.against, "cannot be checked", said, quantities)
    return Check(values.against, "holds", f"It is the one {of}.", quantities)


def _key(numbers: NDArray[np.float64], end: str) -> NDArray[np.float64]:
    """Return the numbers turned so that the claimed extreme is the highest mean."""
    return -numbers if end == "lowest" else numbers


def not_monotonic_in_run(spec: NotMonotonic, values: RunValues) -> Check:
    """Ask for a clear rise and a clear fall from the smallest model of the run to the largest."""
    table = _by_prompt(values, spec.metric)
    if table is None:
        return values.without(spec.metric)
    sizes = {str(label): values.info(str(label)).parameters for label in table.columns}
    ordered = sorted(sizes, key=lambda label: sizes[label])
    if len(ordered) < 3:
        said = (
            f"The run has {len(ordered)} model{'s' if len(ordered) > 1 else ''}, and 3 are needed."
        )
        return Check(values.against, "cannot be checked", said)
    steps = {
        f"{after} less {before}": _mean(table, (table[after] - table[before]).to_numpy())
        for before, after in itertools.pairwise(ordered)
    }
    clear = [_signed(mean)[1] for mean in steps.values()]
    quantities = tuple(
        Quantity(name, None, mean.value, mean.low, mean.high,
                 note=f"n = {mean.n} prompts, read by both; t interval",
                 unit=metric_unit(spec.metric))
        for name, mean in steps.items()
    )  # fmt: skip
    rises, falls = clear.count(True), clear.count(False)
    said = (
        f"From the smallest to the largest of {len(ordered)} models it clearly rises {rises} and "
    )
    said += f"clearly falls {falls} times."
    steady = max(rises, falls) == len(clear)
    verdict: Verdict = "cannot be checked"
    verdict = "holds" if rises and falls else "contradicted" if steady else verdict
    return Check(values.against, verdict, said, quantities)


def top_in_run(spec: Top, values: RunValues) -> Check:
    """Count the most extreme cells, where the run has all of the study's models."""
    frame = values.of(spec.metric)
    if frame is None:
        return values.without(spec.metric)
    known = values.of_study()
    if len(known) < len(values.hubs):
        said = f"The run has {len(known) or 'none'} of the study's {len(values.hubs)} models."
        return Check(values.against, "cannot be checked", said)
    # The range is that of other prompts.
    spec = spec.model_copy(update={"range": None})
    return spec.judge(values.evidence(spec.metric))


def _by_prompt(values: RunValues, metric: str) -> pd.DataFrame | None:
    """Return values by prompt and model, of prompts that all models have a value for."""
    frame = values.of(metric)
    if frame is None:
        return None
    table = frame.pivot(index=["cluster", "prompt_id"], columns="model", values="value")
    return table.dropna(axis=1, how="all").dropna()


def _clustered(table: pd.DataFrame, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each cluster of prompts."""
    series = table.iloc[:, :0].assign(value=numbers)["value"]
    return series.groupby(level="cluster").mean().to_numpy(dtype=np.float64)


def _mean(table: pd.DataFrame, numbers: NDArray[np.float64]) -> Mean:
    return mean_of(_clustered(table, numbers))


def _signed(found: Mean) -> tuple[Verdict, bool | None]:
    """Return whether the mean is above 0, below, or neither can be said."""
    if found.low is not None and found.low > 0:
        return "holds", True
    if found.high is not None and found.high < 0:
        return "contradicted", False
    return "cannot be checked", None


def _text(found: Mean) -> str:
    if found.value is None or found.low is None or found.high is None:
        return f"– ({found.reason})"
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"
