"""`cortexscope lesion`: what the parts of a model are needed for."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from cortexscope.cli._ending import Stopped
from cortexscope.cli._request import Asked, request_options
from cortexscope.cli._terminal import say

__all__ = ["lesion"]


@request_options(without=("model", "preset"))
def lesion(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model's reference, as `run --model` takes it; label=REF."
        ),
    ],
    *,
    part: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="What is taken out, one by one: layers (by default), attention, mlp, heads, "
            "neurons or experts. May be repeated.",
        ),
    ] = None,
    loss: Annotated[
        str,
        typer.Option(
            metavar="surprisal|kl|METRIC",
            help="What findings judge parts by: the change of bits per byte, or the divergence "
            "from the intact model's predictions, which are both measured; or any metric with one "
            "number a prompt (its mean over layers and heads), measured without each part too.",
        ),
    ] = "surprisal",
    top: Annotated[
        int,
        typer.Option(
            min=1,
            help="Of heads and of neurons all are estimated by gradient, and so many of the "
            "foremost taken out.",
        ),
    ] = 20,
    asked: Asked,
) -> None:
    """Take the parts of a model out one by one: what each is needed for, task by task.

    The model is measured as by `cortexscope run` first, and --out is an ordinary run folder with
    more in it.
    """
    from cortexscope import lesioning
    from cortexscope.document import render

    wanted = lesioning.Asked(kinds=tuple(part or ("layers",)), loss=loss, top=top)
    try:
        request = replace(asked.request, models=(model,))
        found = lesioning.lesion_request(request, wanted, asked.progress)
    except Stopped as stopped:
        stopped.advice = f", and the same with --out {asked.request.out} --resume goes on"
        raise
    asked.progress.note("holding metrics against what parts are needed for")
    found.write()
    if not asked.quiet:
        say(render(found.document(), "terminal"), end="")
        say(f"\nRun: {found.path}")
    if asked.report:
        asked.progress.note("writing tables, figures and report")
        report = found.report()
        if not asked.quiet:
            say(f"Report: {report}")
