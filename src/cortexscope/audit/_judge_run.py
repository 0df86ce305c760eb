"""What a run says of a claim; nothing of claims on the study's own files."""

from __future__ import annotations

import math

from cortexscope.audit._claims import (
    Magnitude,
    ModelExtreme,
    ModelFigures,
    NotMonotonic,
    Ratio,
    Shannon,
    Significant,
    Spec,
    TaskExtreme,
    TaskOrder,
    Top,
    spoken,
)
from cortexscope.audit._evidence import Evidence
from cortexscope.audit._judge_run_models import (
    model_extreme_in_run,
    model_figures_in_run,
    not_monotonic_in_run,
    ratio_in_run,
    significant_in_run,
    top_in_run,
)
from cortexscope.audit._judge_run_tasks import task_extreme_in_run, task_order_in_run
from cortexscope.audit._records import Check, Quantity, Verdict
from cortexscope.audit._run_values import Draw, RunValues

__all__ = ["judge_in_run"]


def judge_in_run(spec: Spec, values: RunValues, study: Evidence, *, draw: Draw) -> Check | None:
    """Return what a run says of a claim; None where no run can say anything.

    Args:
        spec: the claim.
        values: the run.
        study: the study's own figures, for claims on what they can be.
        draw: how resamples for intervals are drawn.
    """
    match spec:
        case TaskExtreme():
            return task_extreme_in_run(spec, values, study, draw=draw)
        case TaskOrder():
            return task_order_in_run(spec, values, draw=draw)
        case ModelFigures():
            return model_figures_in_run(spec, values)
        case ModelExtreme():
            return model_extreme_in_run(spec, values)
        case NotMonotonic():
            return not_monotonic_in_run(spec, values)
        case Ratio():
            return ratio_in_run(spec, values)
        case Significant():
            return significant_in_run(spec, values)
        case Top():
            return top_in_run(spec, values)
        case Magnitude():
            return _magnitude(spec, values)
        case Shannon():
            return _shannon(spec, values, study)
        case _:
            return None


def _magnitude(spec: Magnitude, values: RunValues) -> Check:
    frame = values.of(spec.metric)
    if frame is None:
        return Check("the run", "cannot be checked", f"The run has no {spoken(spec.metric)}.")
    known = frame["value"].dropna()
    below = int((known < 0).sum())
    said = f"Measured as a mean of signed values, {below} of {len(known)} values are below zero; a "
    said += "run does not show what the study meant."
    count = Quantity("values below zero", None, below, note=f"n = {len(known)} models and prompts")
    return Check("the run", "cannot be checked", said, (count,))


def _shannon(spec: Shannon, values: RunValues, study: Evidence) -> Check:
    frame = values.of(spec.metric)
    cells = (study.cells or {}).get(spec.metric, {})
    means = study.tasks.get(spec.metric, {})
    quoted = [*cells.values()] or [known.value for known in means.values()]
    if frame is None or not quoted:
        return Check("the run", "cannot be checked", f"The run has no {spoken(spec.metric)}.")
    longest = int(frame["n_tokens"].max())
    limit, sums = math.log(longest), frame["value"].dropna()
    quantities = (
        Quantity(f"entropy over {longest} keys, at most", None, limit, unit="nats"),
        Quantity("lowest figure of the study", None, min(quoted)),
        Quantity("highest figure of the study", None, max(quoted)),
        Quantity("lowest sum over rows in the run", None, float(sums.min()), unit="nats"),
        Quantity("highest sum over rows in the run", None, float(sums.max()), unit="nats"),
    )
    said = (
        f"No attention over the {longest} tokens of the longest prompt here has more than "
        f"{limit:.2f} nats, and the study's figures are {min(quoted):g} to {max(quoted):g}; summed "
        f"over the rows of a prompt, the run has {sums.min():.3g} to {sums.max():.3g}."
    )
    verdict: Verdict = "contradicted" if min(quoted) > limit else "cannot be checked"
    return Check("the run", verdict, said, quantities)
