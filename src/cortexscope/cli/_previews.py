"""How a file of prompts is shown on a terminal before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cortexscope.cli._terminal import display, say

if TYPE_CHECKING:
    from cortexscope.engine import Group, Preview, Shown

__all__ = ["show_preview"]

_LONGEST = 700
"""Characters of a prompt that are shown."""
_TOKENS = 60
_TASKS = 20


def show_preview(preview: Preview) -> None:
    """Print what was read, some prompts as the model gets them, groups, and what is doubtful."""
    suite = preview.suite
    for sentence in suite.sentences():
        say(sentence)
    for reading in suite.readings:
        for fault in reading.faults[1:]:
            say(f"left out too: {fault}")
    tasks = f"{len(suite.tasks)} task{'s' if len(suite.tasks) > 1 else ''}"
    say(f"{suite.name}: {len(suite.prompts):,} prompts in {tasks}")
    for shown in preview.shown:
        _show(shown)
    say("")
    display(_groups("task", preview.tasks[:_TASKS], preview.unit))
    if len(preview.tasks) > _TASKS:
        say(f"and {len(preview.tasks) - _TASKS} more tasks")
    for name, groups in preview.columns.items():
        say("")
        if groups:
            display(_groups(name, groups, preview.unit))
        else:
            say(f"{name}: more than 20 values")
    if preview.counted < len(suite.prompts):
        say(f"\nLengths and groups are those of {preview.counted} prompts drawn from all.")
    if preview.fault is not None:
        say(f"\ntoo long: {preview.fault}")
    for first, second, similarity in preview.repeated:
        say(f"\n{second.id} is like {first.id} (similarity {similarity:.2f} of 1)")
    if preview.compared < len(suite.prompts):
        say(f"\nOnly the first {preview.compared} prompts were compared with each other.")


def _show(shown: Shown) -> None:
    prompt = shown.prompt
    say(f"\n{prompt.id}  ({prompt.task}, {prompt.source})")
    say(_cut(shown.text))
    if shown.tokens is not None:
        more = "" if len(shown.tokens) <= _TOKENS else f" ... {len(shown.tokens)} in all"
        say(f"{len(shown.tokens)} tokens: {' '.join(map(repr, shown.tokens[:_TOKENS]))}{more}")
    if prompt.target:
        say(f"target: {_cut(prompt.target)}")
    if prompt.attributes:
        say(", ".join(f"{key}: {value}" for key, value in prompt.attributes.items()))


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]} ... ({len(text):,} characters in all)"


def _groups(name: str, groups: Iterable[Group], unit: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(Text(name))
    for heading in ("prompts", f"{unit} min", "median", "max"):
        table.add_column(heading, justify="right", no_wrap=True)
    for group in groups:
        numbers = (group.prompts, group.least, group.median, group.most)
        table.add_row(
            Text(group.name), *(f"{number:,.1f}".removesuffix(".0") for number in numbers)
        )
    return table
