"""Finite: no state of the model holds a number that is none."""

from __future__ import annotations

from cortexscope.measure.finite import first_not_finite, not_finite
from cortexscope.records import Finding
from cortexscope.selfchecks._plain import Pass
from cortexscope.selfchecks._subject import Batch, Subject

__all__ = ["finite_numbers"]


def finite_numbers(subject: Subject, batch: Batch, plain: Pass) -> Finding:
    """Look for the first state of a plain pass with a number that is not finite."""
    name = "finite numbers"
    every = [step for steps in plain.steps.values() for step in steps]
    states = [plain.output, *(state for step in every for state in (step.given, step.gave))]
    good = Finding(
        check=name,
        passed=True,
        figure=0.0,
        tolerance=0.0,
        sentence="All states hold finite numbers only.",
    )
    if all(bool(state.isfinite().all()) for state in states):
        return good
    tokens = {stack.name: batch.tokens_of(stack.name) for stack in subject.anatomy.stacks}
    site = first_not_finite(subject.module, subject.anatomy, tokens, lambda: subject.forward(batch))
    if site is None:
        return good
    return Finding(
        check=name,
        passed=False,
        stack=site.stack,
        layer=site.layer,
        sentence=not_finite(subject.module, subject.anatomy, site, subject.dtype),
    )
