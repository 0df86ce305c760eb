"""The answer: whether tasks and models differ, how sure that is, and what length explains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cortexscope.document import Bar, Bars, Fact, Facts, Fold, Prose, Section, Span
from cortexscope.report._answer import TONES, Answer, badge
from cortexscope.report._answers import answers, of_tasks, trusted
from cortexscope.report._columns import of_columns
from cortexscope.report._facts import facts
from cortexscope.report._labels import Labels, plain
from cortexscope.report._shown import Shown

__all__ = ["build"]

_NOTHING = "No value that this section speaks of is defined in this run."
_COMPARED = "These models are compared with each other: the next section says what changed."
_VERDICTS = (
    Span("clear", "badge", "good"), " is more than chance, of tasks also at equal lengths; ",
    Span("only raw", "badge", "half"), " may be what the prompts' lengths do; ",
    Span("open", "badge", "open"), " is not told by these prompts. p counts all metrics shown.",
)  # fmt: skip


def build(shown: Shown) -> Section:
    """Return findings with their verdicts, a chart of the task's effects, and what to trust."""
    found = answers(shown.frames, shown.labels)
    tasks = of_tasks(shown.frames, shown.labels)
    blocks: list[Prose | Bars | Facts | Fold] = []
    columns = list(of_columns(shown.frames, shown.labels))
    charted, what = tasks, "the task"
    if not tasks and columns:
        charted = tuple(own for own in columns if own.kind == columns[0].kind)
        what = repr(plain(columns[0].kind.removeprefix("column ")))
    bars = tuple(
        Bar(
            shown.labels.title(own.metric),
            100 * max(own.value, 0.0),
            100 * own.low,
            100 * own.high,
            "%",
            TONES[own.verdict],
        )
        for own in charted
        if not np.isnan(own.value + own.low)
    )
    if not found:
        compares = not shown.frames.measured.pairs().predictions.empty
        blocks.append(Prose((_COMPARED if compares else _NOTHING,)))
    else:
        said = () if not tasks and columns else (_summary(tasks, shown.labels),)
        blocks.append(Prose((*said, *_of_columns(columns, shown.labels))))
    if bars:
        blocks.append(
            Bars(
                bars,
                f"How much {what} explains of what length leaves, in % of the variance",
                beside=True,
            )
        )
    if found:
        listed = tuple(
            (
                badge(own),
                " ",
                own.text,
                " ",
                Span("Shown here", to=own.to),
            )
            for own in found
        )
        blocks += [Prose(listed, "list"), Prose((_VERDICTS,), "aside")]
    trust = tuple(
        Fact(name, told, "" if fine else "half") for name, told, fine in trusted(shown.frames)
    )
    blocks.append(Facts(trust, "glance", title="Can it be trusted?"))
    if more := facts(shown.frames):
        blocks.append(Fold("More in numbers", (Prose(more, "list"),)))
    return Section("answer", "Answer", tuple(blocks))


def _of_columns(columns: Sequence[Answer], labels: Labels) -> Iterator[tuple[str | Span, ...]]:
    """Yield a sentence a column: in which metrics it shows beyond length."""
    for kind in dict.fromkeys(own.kind for own in columns):
        own = [answer for answer in columns if answer.kind == kind]
        clear = [answer for answer in own if answer.verdict == "clear"]
        raw = sum(answer.verdict == "only raw" for answer in own)
        name = plain(kind.removeprefix("column "))
        more = f"; in {raw} only where lengths are as they are" if raw else ""
        if clear:
            names = ", ".join(labels.title(answer.metric) for answer in clear)
            head = f"'{name}' shows beyond length in {len(clear)} of {len(own)} metrics"
            yield Span(head, "strong"), f": {names}{more}."
        else:
            head = f"'{name}' does not show clearly beyond length"
            yield Span(head, "strong"), f" in any of {len(own)} metrics{more}."


def _summary(tasks: Sequence[Answer], labels: Labels) -> tuple[str | Span, ...]:
    """Return whether tasks differ, over all metrics that are shown first."""
    clear = [own for own in tasks if own.verdict == "clear"]
    raw = [own for own in tasks if own.verdict == "only raw"]
    if not tasks:
        return ("Whether tasks differ cannot be told from this run.",)
    if not clear:
        more = f", {len(raw)} only where lengths are as they are" if raw else ""
        return (
            Span("No task differs clearly", "strong"),
            f" in any of {len(tasks)} metrics at equal lengths{more}.",
        )
    names = ", ".join(labels.title(own.metric) for own in clear)
    more = f"; in {len(raw)} only where lengths are as they are" if raw else ""
    return (
        Span(f"Tasks differ clearly in {len(clear)} of {len(tasks)} metrics", "strong"),
        f" at equal lengths: {names}{more}.",
    )
