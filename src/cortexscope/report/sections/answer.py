"""The answer: whether tasks and models differ, how sure that is, and what length explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cortexscope.analysis import Verdict
from cortexscope.document import Bar, Bars, Fact, Facts, Fold, Prose, Section, Span, Tone
from cortexscope.report._answers import Answer, answers, of_tasks, trusted
from cortexscope.report._facts import facts
from cortexscope.report._labels import Labels
from cortexscope.report._shown import Shown

__all__ = ["build"]

_NOTHING = "No value that this section speaks of is defined in this run."
_TONES: dict[Verdict, Tone] = {"clear": "good", "only raw": "half", "open": "open"}
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
    bars = tuple(
        Bar(
            shown.labels.title(own.metric),
            100 * max(own.value, 0.0),
            100 * own.low,
            100 * own.high,
            "%",
            _TONES[own.verdict],
        )
        for own in tasks
        if not np.isnan(own.low)
    )
    if not found:
        blocks.append(Prose((_NOTHING,)))
    else:
        blocks.append(Prose((_summary(tasks, shown.labels),)))
    if bars:
        blocks.append(
            Bars(
                bars,
                "How much the task explains of what length leaves, in % of the variance",
                beside=True,
            )
        )
    if found:
        listed = tuple(
            (
                Span(own.verdict, "badge", _TONES[own.verdict]),
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
