"""`cortexscope lesion`: what the parts of a model are needed for."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from cortexscope.cli._request import Asked, request_options

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

    wanted = lesioning.Asked(kinds=tuple(part or ("layers",)), loss=loss, top=top)
    with asked.measured():
        request = replace(asked.request, models=(model,))
        found = lesioning.lesion_request(request, wanted, asked.progress)
    asked.progress.note("holding metrics against what parts are needed for")
    found.write()
    asked.show(found)
