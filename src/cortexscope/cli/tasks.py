"""`cortexscope tasks`: list, show and check suites of prompts."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    name="tasks", help="List, show and check suites of prompts.", no_args_is_help=True
)

_SuiteOption = Annotated[
    str,
    typer.Option(
        "--suite", metavar="NAME|PATH", help="A built-in suite, or a suite file or folder."
    ),
]

_TargetOption = Annotated[
    str | None,
    typer.Option("--target", metavar="COLUMN", help="Column of a JSONL or CSV suite with targets."),
]


@app.command("list")
def list_tasks(suite: _SuiteOption = "cognitive", target: _TargetOption = None) -> None:
    """List the tasks of a suite, with their number of prompts and lengths in words."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cortexscope.tasks import load_suite

    loaded = load_suite(suite, target=target)
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
    terminal = Console()
    # A pipe has no width; a line cut at 80 columns would lose text there.
    console = terminal if terminal.is_terminal else Console(width=10_000)
    console.print(table)
    typer.echo(
        f"\nSuite {loaded.name} {loaded.version}: {len(loaded.tasks)} tasks, "
        f"{len(loaded.prompts)} prompts, hash {loaded.hash[:12]}"
    )


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="TASK|PROMPT_ID", help="What to print.")],
    suite: _SuiteOption = "cognitive",
    target: _TargetOption = None,
) -> None:
    """Print the prompts of a task, or the prompt with an id."""
    from cortexscope.tasks import load_suite

    for number, prompt in enumerate(load_suite(suite, target=target).find(name)):
        separator = "\n" if number else ""
        typer.echo(f"{separator}{prompt.id}  ({prompt.task}, {prompt.source})\n{prompt.text}")
        if prompt.target:
            typer.echo(f"target: {prompt.target}")


@app.command()
def lint(
    suite: Annotated[
        str,
        typer.Argument(metavar="NAME|PATH", help="A built-in suite, or a suite file or folder."),
    ],
    target: _TargetOption = None,
) -> None:
    """Check a suite; exit 1 if an error is found, 0 if there are warnings at most."""
    from cortexscope.tasks import lint as findings_of
    from cortexscope.tasks import load_suite

    loaded = load_suite(suite, target=target)
    findings = findings_of(loaded)
    for finding in findings:
        typer.echo(str(finding))
    errors = sum(finding.level == "error" for finding in findings)
    typer.echo(
        f"{loaded.name}: {len(loaded.prompts)} prompts in {len(loaded.tasks)} tasks, "
        f"{errors} errors, {len(findings) - errors} warnings"
    )
    if errors:
        raise typer.Exit(1)
