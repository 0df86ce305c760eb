"""`cortexscope compare`: what changed from one model to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortexscope.cli._request import Asked, request_options

__all__ = ["compare"]


@request_options(without=("model", "preset"))
def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...",
            help="References of models, as `run --model` takes them (label=REF names one), or "
            "folders that `cortexscope run` wrote, or their URLs.",
        ),
    ],
    *,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="What the others are compared with: a model's name, or a file of "
            "--save-baseline; by default the first, or of checkpoints of one training the last.",
        ),
    ] = None,
    noise_floor: Annotated[
        bool,
        typer.Option(
            "--noise-floor", help="Compare the baseline with itself in bfloat16 too, for scale."
        ),
    ] = False,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="End with exit code 3 where this holds of a model or cannot be decided, such as "
            "'kl.upper > 0.02 or bits_per_byte.diff.upper > 0.01'. May be repeated.",
        ),
    ] = None,
    margin: Annotated[
        float,
        typer.Option(
            min=0, help="Bits per byte by which a model may be worse and still pass for as good."
        ),
    ] = 0.01,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the conditions as JUnit XML.")
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Append the findings as Markdown, such as to $GITHUB_STEP_SUMMARY.",
        ),
    ] = None,
    save_baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep what the baseline predicts, for comparisons without it: its states after "
            "the last norm and its unembedding, as safetensors.",
        ),
    ] = None,
    asked: Asked,
) -> None:
    """Compare models with the first: predictions, states, every metric; findings first.

    All are measured as by `cortexscope run`, and each reads the prompts again beside the baseline.
    """
    from cortexscope.comparing import Extras, append_summary, compare_request, write_junit

    extras = Extras(
        baseline=baseline,
        noise_floor=noise_floor,
        conditions=tuple(fail_if or ()),
        margin=margin,
        save_baseline=save_baseline,
    )
    with asked.measured():
        found = compare_request(models, asked.request, extras, asked.progress)
    outcomes = found.check(extras.conditions)
    if junit is not None:
        write_junit(junit, outcomes, found.failures)
    if summary is not None:
        append_summary(summary, found, outcomes)
    asked.show(found)
    found.conclude(outcomes)
