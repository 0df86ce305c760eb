"""`cortexscope tasks`: list, show and check suites of prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortexscope.cli._options import reading_options
from cortexscope.cli._terminal import display, say
from cortexscope.errors import UsageError
from cortexscope.tasks import ReadOptions

__all__ = ["app"]

app = typer.Typer(
    name="tasks", help="List, show and check suites of prompts.", no_args_is_help=True
)

_SuiteOption = Annotated[
    str,
    typer.Option(
        "--suite", metavar="NAME|PATH", help="A built-in suite, or a file or folder of prompts."
    ),
]
_SuiteArgument = Annotated[
    str,
    typer.Argument(metavar="NAME|PATH", help="A built-in suite, or a file or folder of prompts."),
]


@app.command("list")
@reading_options()
def list_tasks(*, suite: _SuiteOption = "cognitive", reading: ReadOptions) -> None:
    """List the tasks of a suite, with their number of prompts and lengths in words."""
    from rich.table import Table
    from rich.text import Text

    from cortexscope.tasks import read_suite

    loaded = read_suite(suite, reading)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task", no_wrap=True)
    for heading in ("prompts", "words min", "median", "max"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("description")
    for task in loaded.tasks:
        words = task.words()
        numbers = (len(task.prompts), words.least, words.median, words.most)
        cells = [task.name, *(f"{number:g}" for number in numbers), task.description]
        table.add_row(*map(Text, cells))
    display(table)
    say(
        f"\nSuite {loaded.name} {loaded.version}: {len(loaded.tasks)} tasks, "
        f"{len(loaded.prompts)} prompts, hash {loaded.hash[:12]}"
    )


@app.command("datasets")
def list_data_sets(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the data sets of the hub that `--suite datasets:NAME` reads; nothing is fetched."""
    import json

    from rich.table import Table
    from rich.text import Text

    from cortexscope.tasks import data_sets

    rows = data_sets()
    if as_json:
        say(json.dumps({name: row.model_dump() for name, row in rows.items()}, indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "task"):
        table.add_column(heading, no_wrap=True)
    table.add_column("prompts", justify="right", no_wrap=True)
    for heading in ("data set", "licence", "description"):
        table.add_column(heading)
    for row in rows.values():
        place = f"{row.hub} {row.config}/{row.split}"
        note = f"; {row.note}" if row.note else ""
        cells = (row.name, row.task, str(row.samples), place, row.licence or "?")
        table.add_row(*map(Text, (*cells, f"{row.description}{note}")))
    display(table)
    groups = sorted({row.group for row in rows.values() if row.group})
    say(
        f"\n{len(rows)} data sets; --suite datasets:NAME[@N][=PATH],... takes N prompts of each, "
        f"from the hub or a local copy; {', '.join((*groups, 'all'))} stand for several."
    )


@app.command()
@reading_options()
def show(
    *,
    name: Annotated[str, typer.Argument(metavar="TASK|PROMPT_ID", help="What to print.")],
    suite: _SuiteOption = "cognitive",
    reading: ReadOptions,
) -> None:
    """Print the prompts of a task, or the prompt with an id."""
    from cortexscope.tasks import read_suite

    for number, prompt in enumerate(read_suite(suite, reading).find(name)):
        separator = "\n" if number else ""
        say(f"{separator}{prompt.id}  ({prompt.task}, {prompt.source})\n{prompt.text}")
        if prompt.target:
            say(f"target: {prompt.target}")
        for key, value in prompt.attributes.items():
            say(f"{key}: {value}")


@app.command()
@reading_options()
def preview(
    *,
    suite: _SuiteArgument,
    reading: ReadOptions,
    model: Annotated[
        str | None,
        typer.Option(metavar="REF", help="Show the prompts and count them in this model's tokens."),
    ] = None,
    chat_template: Annotated[
        bool, typer.Option("--chat-template", help="Put each prompt into the model's template.")
    ] = False,
    prompts: Annotated[int, typer.Option(min=1, metavar="N", help="How many are shown.")] = 3,
) -> None:
    """Show what a file of prompts would be read as; nothing is measured, and bad rows are named."""
    from dataclasses import replace

    from cortexscope.cli._previews import show_preview
    from cortexscope.engine import preview as previewed
    from cortexscope.tasks import read_suite

    if chat_template and model is None:
        raise UsageError("--chat-template is a model's; name it with --model, or leave it out.")
    loaded = read_suite(suite, replace(reading, skip_bad_rows=True))
    show_preview(previewed(loaded, model, chat_template=chat_template, prompts=prompts))


@app.command()
@reading_options()
def convert(
    *,
    suite: _SuiteArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .yaml or .jsonl file to write.")],
    reading: ReadOptions,
) -> None:
    """Write a file of prompts as a suite of cortexscope's own, with all that was kept of it."""
    from cortexscope.tasks import check_suite_file, read_suite, write_suite

    check_suite_file(out)
    loaded = read_suite(suite, reading)
    for sentence in loaded.sentences():
        say(sentence)
    write_suite(loaded, out)
    say(f"Suite: {out} ({len(loaded.prompts)} prompts, hash {loaded.hash[:12]})")


@app.command()
@reading_options()
def lint(*, suite: _SuiteArgument, reading: ReadOptions) -> None:
    """Check a suite; exit 1 if an error is found, 0 if there are warnings at most."""
    from collections import Counter

    from cortexscope.tasks import FORMS, forms, read_suite
    from cortexscope.tasks import lint as findings_of

    loaded = read_suite(suite, reading)
    findings = findings_of(loaded)
    for finding in findings:
        say(str(finding))
    counts = sum(forms(loaded).values(), Counter())
    say(f"forms: {', '.join(f'{counts[form]} {form}s' for form in FORMS)}")
    errors = sum(finding.level == "error" for finding in findings)
    say(
        f"{loaded.name}: {len(loaded.prompts)} prompts in {len(loaded.tasks)} tasks, "
        f"{errors} errors, {len(findings) - errors} warnings"
    )
    if errors:
        raise typer.Exit(1)


@app.command()
@reading_options()
def match(
    *,
    model: Annotated[
        list[str],
        typer.Option(metavar="REF", help="Whose tokens are counted. May be repeated."),
    ],
    suite: _SuiteOption = "cognitive",
    reading: ReadOptions,
    ratio: Annotated[
        float,
        typer.Option(help="How many times as long as the shortest the longest of a set may be."),
    ] = 1.15,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the prompts as a suite, .yaml or .jsonl."),
    ] = None,
) -> None:
    """Find the largest part of a suite whose tasks have prompts of the same lengths."""
    from rich.table import Table

    from cortexscope.engine import match_lengths
    from cortexscope.tasks import check_suite_file, read_suite, write_suite

    if out is not None:
        check_suite_file(out)
    whole = read_suite(suite, reading)
    matched, found = match_lengths(whole, model, ratio=ratio)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task", no_wrap=True)
    for heading in ("prompts", "matched", "mean tokens", "matched"):
        table.add_column(heading, justify="right")
    for task in whole.tasks:
        means = (found.before.mean[task.name], found.after.mean[task.name])
        counts = (len(task.prompts), found.per_task)
        table.add_row(task.name, *map(str, counts), *(f"{mean:.1f}" for mean in means))
    display(table)
    for name, balance in (("whole suite", found.before), ("matched", found.after)):
        say(
            f"{name}: tasks differ by up to {balance.largest_difference:.2f} sd of log length and "
            f"explain {100 * balance.explained:.1f} % of it"
        )
    if out is not None:
        write_suite(matched, out)
        say(f"Suite: {out}")
