"""`cortexscope models inspect`: a model's anatomy as a tree, and which metrics it can have."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cortexscope.cli._options import loading_options
from cortexscope.cli._terminal import display, say
from cortexscope.models import LoadOptions
from cortexscope.texts import said_count

if TYPE_CHECKING:
    from rich.tree import Tree

    from cortexscope.models import Part

__all__ = ["inspect"]


@loading_options("tokenizer", "allow_pickle", "trust_remote_code")
def inspect(
    *,
    reference: Annotated[str, typer.Argument(metavar="REF", help="The model to look into.")],
    loading: LoadOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what a model is made of and which metrics apply to it; no weights are loaded."""
    import json
    from dataclasses import asdict

    from rich.table import Table
    from rich.text import Text

    from cortexscope.metrics import metric_specs
    from cortexscope.metrics.base.applicability import inapplicable
    from cortexscope.models import describe_parts, find_anatomy, open_model

    source = open_model(
        reference,
        loading,
        note=partial(say, err=True),
    )
    module = source.outline()
    anatomy = find_anatomy(module)
    parts = describe_parts(module, anatomy)
    specs = metric_specs()
    reasons = inapplicable(specs, anatomy)
    if as_json:
        found = {
            "model": source.info.model_dump(),
            "parts": [asdict(part) for part in parts],
            "metrics": {spec.name: reasons.get(spec.name) for spec in specs},
        }
        say(json.dumps(found, indent=2))
        return
    info = source.info
    head = (
        f"{info.name}  {info.family}, {info.stack_kind}, {said_count(info.parameters)} parameters"
    )
    display(_tree(Text(head), parts), elsewhere=120)
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("metric", no_wrap=True)
    table.add_column("measured")
    for spec in specs:
        reason = reasons.get(spec.name)
        table.add_row(spec.name, "yes" if reason is None else f"no: {reason}")
    display()
    display(table, elsewhere=120)


def _tree(head: object, parts: list[Part]) -> Tree:
    from rich.tree import Tree

    tree = Tree(head, guide_style="dim")  # type: ignore[arg-type]
    for part in parts:
        _grow(tree, part)
    return tree


def _grow(tree: Tree, part: Part) -> None:
    from rich.text import Text

    line = Text.assemble((part.name, "bold"), f"  {part.path}" if part.path else "")
    line.append(f"  {said_count(part.parameters)}", style="cyan")
    if part.detail:
        line.append("  " + ", ".join(part.detail))
    branch = tree.add(line)
    for inner in part.parts:
        _grow(branch, inner)
