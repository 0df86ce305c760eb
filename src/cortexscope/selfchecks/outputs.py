"""Outputs: a probe changes nothing of what the model computes."""

from __future__ import annotations

from cortexscope.records import Finding
from cortexscope.selfchecks._plain import Pass
from cortexscope.selfchecks._reading import Reading
from cortexscope.selfchecks._tolerance import Error, apart, judged

__all__ = ["outputs_unchanged"]


def outputs_unchanged(plain: Pass, reading: Reading) -> Finding:
    """Compare the output with and without a probe, bit by bit."""
    return judged(
        "outputs unchanged",
        [Error(None, apart(reading.output, plain.output))],
        0.0,
        good="The output is the same with and without a probe, bit by bit.",
        bad="The output with a probe is not that without one.",
    )
