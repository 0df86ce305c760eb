"""`cortexscope run`: measure models on a suite and report what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.cli._ending import Stopped
from cortexscope.cli._request import Asked, request_options
from cortexscope.cli._terminal import remark, say

if TYPE_CHECKING:
    from cortexscope.engine import Place
    from cortexscope.store import Run

__all__ = ["run"]


@request_options()
def run(*, asked: Asked) -> None:
    """Measure models on a suite of prompts, and write tables, figures and a report."""
    from cortexscope.engine import run as measure

    with asked.measured():
        finished = measure(asked.request, asked.progress)
    if not asked.quiet:
        remark(finished)
    if not asked.report:
        if not asked.quiet:
            say(f"Run: {finished.path}")
        asked.upload()
        _tell_failures(finished, asked.place)
        return
    from cortexscope.document import render
    from cortexscope.report import summary, write_report

    asked.progress.note("writing tables, figures and report")
    try:
        written = write_report(finished)
    except Stopped as stopped:
        stopped.advice = f", and `cortexscope report {finished.path}` writes the report"
        raise
    if not asked.quiet:
        say(render(summary(finished), "terminal"), end="")
        say(f"\nReport: {written.report}")
    asked.upload()
    _tell_failures(finished, asked.place)


def _tell_failures(finished: Run, place: Place) -> None:
    """End with the models and metrics that failed, and how to try just these again."""
    from cortexscope.errors import ModelError

    manifest = finished.manifest
    if not manifest.failed:
        return
    for model, why in manifest.failures.items():
        say(f"Failed: {model}: {why}", err=True)
    for model, metrics in manifest.failed_metrics.items():
        for own in metrics:
            say(f"Failed: {own.metric} of {model}: {own.why}", err=True)
    raise ModelError(
        f"{', '.join(manifest.failed)} failed, and all else is measured; the same with "
        f"--out {place} --resume tries just that again, with what is mended."
    )
