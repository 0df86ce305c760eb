"""The summary that the command line prints when a run is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.report._correlations import (
    NORMALIZED_ENTROPY,
    STUDY_ENTROPY,
    length_correlation,
)
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import plain, shortened
from cortexscope.report._stacks import stacks_note
from cortexscope.report._table import UNDEFINED
from cortexscope.store import Run

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["summary"]

_COLUMNS = (
    ("Final\nact.", "study.final_activation", 3),
    ("Study\nentropy", STUDY_ENTROPY, 1),
    ("Max\nsparsity", "study.max_sparsity", 3),
    ("Norm.\nentropy", NORMALIZED_ENTROPY, 3),
    ("Sink\nmass", "attention_sink_mass", 3),
)
_LABEL = 28


def summary(run: Run) -> RenderableType:
    """Return a run as a small table and a few lines, for a terminal 80 columns wide or a pipe.

    A number is the mean over the tasks, a task's the mean over its prompts.

    Raises:
        CorruptRunError: if a file of the run is missing or damaged.
    """
    from rich.console import Group
    from rich.text import Text

    frames = RunFrames(run)
    lines = [Text(line, overflow="fold") for line in _lines(frames)]
    return Group(_table(frames), *lines)


def _table(frames: RunFrames) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("Model", overflow="fold", min_width=16, max_width=_LABEL)
    for name in ("Prompts", "Mean\ntokens"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, _, _ in _COLUMNS:
        table.add_column(name, justify="right")
    cells = frames.cells([metric for _, metric, _ in _COLUMNS])
    for model in frames.labels:
        own = cells[cells["model"] == model]
        texts = [str(int(own["inputs"].sum())), _number(own["tokens"].mean(), 1)]
        for _, metric, decimals in _COLUMNS:
            value = own[metric].mean() if metric in own else float("nan")
            texts.append(_number(value, decimals))
        table.add_row(Text(plain(model)), *texts)
    return table


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if value == value else UNDEFINED


def _lines(frames: RunFrames) -> list[str]:
    lines = list(stacks_note(frames.many_stacked))
    lines.append("Correlation with the prompt's number of tokens, with 95 % interval:")
    for model in frames.labels:
        lines.append(f"  {shortened(model, 60)}")
        for name, metric in (("study entropy", STUDY_ENTROPY), ("normalised", NORMALIZED_ENTROPY)):
            lines.append(f"    {name:<14} {length_correlation(frames, model, metric)}")
    missing = frames.primary_missing([metric for _, metric, _ in _COLUMNS])
    undefined = int(missing["values"].sum())
    if undefined:
        reasons = "; ".join(dict.fromkeys(plain(str(why)) for why in missing["reason"]))
        lines.append(f"Undefined: {undefined} values ({reasons}).")
    if frames.manifest.status != "complete":
        lines.append("This run is not finished; continue it with --resume.")
    return lines
