"""`cortexscope run`: measure models on a suite and report what was found."""

from __future__ import annotations

from cortexscope.cli._ending import Stopped
from cortexscope.cli._request import Asked, request_options
from cortexscope.cli._terminal import remark, say

__all__ = ["run"]


@request_options()
def run(*, asked: Asked) -> None:
    """Measure models on a suite of prompts, and write tables, figures and a report."""
    from cortexscope.engine import run as measure

    try:
        finished = measure(asked.request, asked.progress)
    except Stopped as stopped:
        stopped.advice = f", and the same with --out {asked.request.out} --resume goes on"
        raise
    if not asked.quiet:
        remark(finished)
    if not asked.report:
        if not asked.quiet:
            say(f"Run: {finished.path}")
        return
    from cortexscope.document import render
    from cortexscope.report import summary, write_report

    asked.progress.note("writing tables, figures and report")
    written = write_report(finished)
    if not asked.quiet:
        say(render(summary(finished), "terminal"), end="")
        say(f"\nReport: {written.report}")
