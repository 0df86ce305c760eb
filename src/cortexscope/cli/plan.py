"""`cortexscope plan`: what a run would cost, before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cortexscope.cli._request import Asked, request_options
from cortexscope.cli._terminal import display, say
from cortexscope.texts import said_count

if TYPE_CHECKING:
    from rich.table import Table

    from cortexscope.engine import Forecast

__all__ = ["plan"]


@request_options()
def plan(
    *,
    asked: Asked,
    no_calibration: Annotated[
        bool,
        typer.Option(
            "--no-calibration",
            help="Load no weights and read no batch; the time is not told then.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell rows, bytes, memory and time of the run that the same options ask for; write nothing."""
    import json
    from dataclasses import asdict

    from cortexscope.engine import forecast

    found = forecast(asked.request, asked.progress, calibrated=not no_calibration)
    if as_json:
        models = [
            {
                **asdict(own.estimate),
                "memory": own.estimate.memory._asdict() | {"total": own.estimate.memory.total},
                "seconds": None if own.seconds is None else asdict(own.seconds),
            }
            for own in found
        ]
        say(json.dumps({"models": models}, indent=2))
        return
    display(_table(found), elsewhere=160)


def _table(found: Sequence[Forecast]) -> Table:
    """Return a row a model, and their sums; memory is the most of one, as one runs at a time."""
    from rich.table import Table
    from rich.text import Text

    from cortexscope.engine import said_bytes

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model")
    for heading in (
        "parameters",
        "dtype",
        "weights",
        "prompts",
        "tokens",
        "padded",
        "batches",
        "shards",
        "rows",
        "on disk",
        "memory",
        "seconds",
    ):
        table.add_column(heading, justify="right")
    for forecast in found:
        own = forecast.estimate
        counts = (own.prompts, own.tokens, own.padded, own.batches, own.shards, own.rows)
        table.add_row(
            Text(own.model),
            said_count(own.parameters),
            own.dtype,
            said_bytes(own.weights),
            *(f"{count:,}" for count in counts),
            said_bytes(own.bytes),
            f"{said_bytes(own.memory.total)} ({own.device})",
            _seconds([forecast]),
        )
    if len(found) > 1:
        every = [forecast.estimate for forecast in found]
        table.add_row(
            "together",
            said_count(sum(own.parameters for own in every)),
            "",
            said_bytes(sum(own.weights for own in every)),
            *(
                f"{sum(getattr(own, name) for own in every):,}"
                for name in ("prompts", "tokens", "padded", "batches", "shards", "rows")
            ),
            said_bytes(sum(own.bytes for own in every)),
            said_bytes(max(own.memory.total for own in every)),
            _seconds(found),
        )
    return table


def _seconds(found: Sequence[Forecast]) -> str:
    times = [own.seconds for own in found if own.seconds is not None]
    if not times:
        return "not measured"
    return f"{sum(own.load + own.check + own.measure for own in times):,.1f}"
