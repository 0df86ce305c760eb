"""`cortexscope figures`: draw a run's figures into files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from cortexscope.cli._runs import RunPaths
from cortexscope.cli._terminal import remark, say

__all__ = ["figures"]


class _Form(StrEnum):
    """What `FigureFormat` has; of an option that may be repeated, typer takes no other kind."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


def figures(
    runs: RunPaths,
    forms: Annotated[
        list[_Form] | None,
        typer.Option("--format", help="What to write; png by default. May be repeated."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="KEY", help="Only this figure, such as depth. May be repeated."
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="Draw this metric in the place of a figure's own. May be repeated.",
        ),
    ] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", metavar="NAME", help="Only this task. May be repeated."),
    ] = None,
    prompt: Annotated[
        str,
        typer.Option(
            metavar="ID", help="The prompt that logit_lens, tokens and brain_tokens draw."
        ),
    ] = "",
    published: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="The study's tables, or their folder: parameters draws its models too. May be "
            "repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where to write figures; the run's own folder if one."
        ),
    ] = None,
    width: Annotated[
        Literal["one", "two"] | None,
        typer.Option(help="As wide as one column of a journal, 85 mm, or as two, 178 mm."),
    ] = None,
) -> None:
    """Draw the figures of a run into its folder `figures`, and print their paths.

    Models of several runs stand beside one another; prompts of the same id
    must be the same.

    With --metric, --task, --prompt or --published and without --only, all
    figures are drawn that can show these; their files are called after them.
    probes, layer_similarity, layer_cka and selective_heads take a while: they
    are drawn where --only names them, or after `cortexscope stats`.

    Raises:
        UnknownNameError: if there is no such figure, metric, task or prompt.
        UsageError: if a figure that is named is not made for what is chosen, runs cannot be read
            together, or several have no --out.
        StoreError: if the folder holds no run, or cannot be written.
    """
    from cortexscope.report import PublishedModel, write_figures
    from cortexscope.store import Measurements, Run

    models: tuple[PublishedModel, ...] = ()
    if published:
        from cortexscope.audit import published_models

        models = tuple(PublishedModel(*own) for own in published_models(published))
    for path in write_figures(
        Measurements.of(*(remark(Run(run)) for run in runs)),
        out=out,
        formats=tuple(dict.fromkeys(own.value for own in forms or [_Form.PNG])),
        only=only or None,
        metrics=metrics or (),
        tasks=tasks or (),
        prompt=prompt,
        published=models,
        width=width,
    ):
        say(path)
