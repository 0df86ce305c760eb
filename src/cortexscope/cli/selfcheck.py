"""`cortexscope selfcheck`: prove on a model itself that it is measured rightly."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cortexscope.cli._options import loading_options
from cortexscope.cli._terminal import display, say
from cortexscope.models import LoadOptions

if TYPE_CHECKING:
    from rich.table import Table

    from cortexscope.records import Finding

__all__ = ["selfcheck"]

_VERDICTS = {True: "holds", False: "FAILS", None: "n/a"}


@loading_options()
def selfcheck(
    *,
    reference: Annotated[str, typer.Argument(metavar="REF", help="The model to check.")],
    loading: LoadOptions,
    seed: Annotated[int, typer.Option(help="Of the random tokens that the model reads.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove on a model itself that what is measured of it is right.

    Padding, attention, layers, the residual stream and the outputs are compared with plain
    computations on short prompts of random tokens. One line a check; exit code 1 if one fails.
    """
    import json

    from cortexscope.errors import ModelError
    from cortexscope.models import load_model
    from cortexscope.selfchecks import selfcheck as check

    model = load_model(
        reference,
        loading,
        note=partial(say, err=True),
    )
    findings = check(model, seed=seed)
    failed = [finding for finding in findings if finding.passed is False]
    if as_json:
        rows = [finding.model_dump() for finding in findings]
        say(json.dumps({"model": model.info.model, "checks": rows}, indent=2))
    else:
        _print(findings)
    if failed:
        first = failed[0]
        where = f" in {first.place}" if first.place else ""
        more = f"; {len(failed) - 1} more fail" if failed[1:] else ""
        raise ModelError(
            f"{model.info.model} fails the check {first.check!r}{where}: "
            f"{first.sentence.rstrip('.')}{more}."
        )
    if not as_json:
        held = sum(f.passed is True and f.median is None for f in findings)
        say(f"{model.info.model}: all {held} checks that apply hold.")


def _print(findings: Sequence[Finding]) -> None:
    """Print a table of the checks, one of the drift, and a line for each that does not hold."""
    from rich.text import Text

    judged = [finding for finding in findings if finding.median is None]
    shown = [finding for finding in findings if finding.median is not None]
    headings = ("check", "verdict", "worst", "at", "tolerance")
    cells = [
        (f.check, _VERDICTS[f.passed], _number(f.figure), f.place or "-", _number(f.tolerance))
        for f in judged
    ]
    display(_table(headings, cells))
    if shown:
        headings = ("drift in bfloat16", "median", "largest", "at", "")
        cells = [
            (f.check.removeprefix("bf16 "), _number(f.median), _number(f.figure), f.place, "")
            for f in shown
        ]
        display()
        display(_table(headings, cells))
    display()
    for finding in judged:
        if not finding.passed:
            verdict = _VERDICTS[finding.passed]
            display(Text(f"{finding.check} ({verdict}): {finding.sentence}"))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, heading in enumerate(headings):
        numeric = heading in ("worst", "tolerance", "median", "largest")
        table.add_column(
            heading, justify="right" if numeric else "left", min_width=30 * (not number)
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else "0" if value == 0 else f"{value:.1e}"
