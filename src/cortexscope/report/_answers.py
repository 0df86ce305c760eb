"""What a run answers: findings with effect, interval and verdict, the clearest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from cortexscope.analysis import CHANCE, verdict_of
from cortexscope.metrics import HEADLINE
from cortexscope.report._answer import RANK, Answer
from cortexscope.report._columns import of_columns
from cortexscope.report._contrasts import compares_models, higher_first
from cortexscope.report._correlations import STUDY_ENTROPY, length_correlation
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, lowered, plain, task_title

__all__ = ["answers", "of_tasks", "trusted"]

_Row = Mapping[Any, Any]

_MOST = 8
_OF_A_KIND = 3


def answers(frames: RunFrames, labels: Labels) -> tuple[Answer, ...]:
    """Return up to eight findings, ranked by how clear and how large they are.

    None is made of a tie: a task is only called the highest where its lead is more than chance.
    """
    every = [
        *of_tasks(frames, labels),
        *_highest(frames, labels),
        *_models(frames, labels),
        *_length(frames, labels),
        *of_columns(frames, labels),
    ]
    ranked = sorted(every, key=lambda own: (RANK[own.verdict], -own.size))
    # The best of each kind, and then what is left: no kind hides the others.
    seen: Counter[str] = Counter()
    first: list[Answer] = []
    others: list[Answer] = []
    for own in ranked:
        seen[own.kind] += 1
        (first if seen[own.kind] <= _OF_A_KIND else others).append(own)
    chosen = [*first, *others][:_MOST]
    return tuple(own for own in ranked if own in chosen)


def of_tasks(frames: RunFrames, labels: Labels) -> tuple[Answer, ...]:
    """Return whether tasks differ in each of the headline metrics that was measured."""
    found = frames.analysis.table("effects")
    if not len(found):
        return ()
    found = found[(found["factor"] == "task") & found["metric"].isin(HEADLINE)]
    made = []
    for metric, own in found.groupby("metric", sort=False):
        # All models together are last, where there are several.
        scope = own["scope"].iloc[-1]
        rows = {row["form"]: row for row in own[own["scope"] == scope].to_dict("records")}
        if not np.isnan(rows["raw"]["p_max_t"]):
            made.append(_of_task(str(metric), _where(frames, str(scope)), rows, labels))
    return tuple(made)


def _of_task(metric: str, where: str, rows: Mapping[Any, _Row], labels: Labels) -> Answer:
    raw, equal = rows["raw"], rows["adjusted"]
    title = lowered(labels.title(metric))
    known = not np.isnan(equal["p_max_t"])
    verdict = verdict_of(raw["p_max_t"], equal["p_max_t"])
    shown = equal if known else raw
    told = {
        "clear": f"Tasks differ in {title} at equal lengths",
        "only raw": f"Tasks differ in {title} only as they are, not clearly at equal lengths",
        "open": f"Whether tasks differ in {title} is open",
    }[verdict]
    form = "that length leaves" if known else "raw"
    text = (
        f"{told}: the task explains {_share(shown)} {form}"
        f"{f' (p = {_p(shown)})' if verdict != 'only raw' or not known else ''}"
    )
    if verdict == "only raw" and known:
        text += f" (p = {_p(equal)}), and {_share(raw)} raw (p = {_p(raw)})"
    elif known:
        text += f"; raw, {_share(raw)}"
    if not known and isinstance(equal["reason"], str):
        text += f"; at equal lengths it is unknown: {equal['reason'].rstrip('.')}"
    least = 0.0 if np.isnan(shown["low"]) else float(shown["low"])
    value, low, high = (
        float(equal[name]) if known else float("nan")
        for name in ("omega_squared_partial", "low", "high")
    )
    return Answer(
        "tasks", metric, verdict, least, f"{text}. {where}, n = {raw['n']:.0f} prompts.",
        "table-task_effects", value, low, high,
    )  # fmt: skip


def _highest(frames: RunFrames, labels: Labels) -> Iterator[Answer]:
    """Yield the task that leads a metric in a model, where its lead is more than chance."""
    found = frames.analysis.table("leaders")
    if not len(found):
        return
    keys = ["metric", "scope"]
    read = frames.analysis.read.groupby(["metric", "model"], observed=True)
    spread = read["value"].std().to_dict()
    for (metric, scope), own in found.groupby(keys, sort=False):
        forms: dict[str, dict[Any, Any]] = {str(row["form"]): row for row in own.to_dict("records")}
        raw, equal = forms["raw"], forms.get("adjusted", {})
        if raw["holds"] is not True or scope not in frames.labels:
            continue
        clear = equal.get("holds") is True
        row = equal if clear else raw
        unit = labels.unit(str(metric))
        sizes = [float(row[name]) / float(spread[metric, scope]) for name in ("difference", "low")]
        text = (
            f"{task_title(row['task']).capitalize()} has the highest "
            f"{lowered(labels.title(str(metric)))} in {plain(str(scope))}"
            f"{' at equal lengths' if clear else ', but not clearly so at equal lengths'}: "
            f"{row['difference']:.3g} [{row['low']:.3g}, {row['high']:.3g}] {unit}".rstrip()
            + f" above {task_title(row['other'])}, the next, n = {int(row['n'])} prompts."
        )
        yield Answer(
            "highest", str(metric), "clear" if clear else "only raw", _explained(sizes[1]), text,
            "table-task_effects", _explained(sizes[0]), _explained(sizes[1]), float("nan"),
        )  # fmt: skip


def _models(frames: RunFrames, labels: Labels) -> Iterator[Answer]:
    """Yield how far two models lie apart, a pair a metric: the farthest."""
    if not compares_models(frames):
        return
    found = frames.analysis.table("model_contrasts")
    if not len(found):
        return
    found = found[found["task"].isna() & found["low"].notna() & found["p_max_t"].notna()]
    for metric, own in found[found["metric"].isin(HEADLINE)].groupby("metric", sort=False):
        row = higher_first(max(own.to_dict("records"), key=lambda one: abs(one["hedges_g"])))
        if row["p_max_t"] > CHANCE or row["low"] < 0:
            continue
        text = (
            f"{plain(str(row['a']))} lies above {plain(str(row['b']))} in "
            f"{lowered(labels.title(str(metric)))}: by {row['difference']:.3g} [{row['low']:.3g}, "
            f"{row['high']:.3g}] {labels.unit(str(metric))}".rstrip()
            + f", n = {int(row['n_a'])} prompts that both read, each with its own tokens."
        )
        size, *ends = (
            _explained(row[name]) for name in ("hedges_g", "hedges_g_low", "hedges_g_high")
        )
        yield Answer(
            "models", str(metric), "clear", min(ends), text, "pairs_of_models", size, *sorted(ends)
        )


def _length(frames: RunFrames, labels: Labels) -> Iterator[Answer]:
    """Yield how far length alone decides the study's attention entropy."""
    known = [
        (model, found)
        for model in frames.labels
        if (found := length_correlation(frames, model, STUDY_ENTROPY)).value is not None
    ]
    if not known:
        return
    model, found = min(known, key=lambda own: abs(own[1].value or 0.0))
    value, low, high = found.value or 0.0, found.low, found.high
    more = " or more" if len(known) > 1 else ""
    ends = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
    yield Answer(
        "length", STUDY_ENTROPY, "clear" if low is not None and low > 0 else "open",
        (low or 0.0) ** 2,
        f"{labels.title(STUDY_ENTROPY)} follows the number of tokens, whatever the task: "
        f"r = {value:.3f}{ends}{more} ({plain(model)}, n = {found.n} prompts); length alone "
        f"accounts for {100 * value**2:.0f} % of its variance.",
        "figure-length", value**2, (low or 0.0) ** 2, (high or 1.0) ** 2,
    )  # fmt: skip


def _explained(g: float) -> float:
    """Return the share of variance that a difference of two groups of one size explains."""
    return g**2 / (g**2 + 4.0)


def _share(row: _Row) -> str:
    ends = "" if np.isnan(row["low"]) else f" [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
    return f"{max(100 * row['omega_squared_partial'], 0):.0f}{ends} % of the variance"


def _p(row: _Row) -> str:
    return f"{row['p_max_t']:.2g}"


def _where(frames: RunFrames, scope: str) -> str:
    if scope in frames.labels:
        return plain(scope)
    return f"Mean of {len(frames.labels)} models, each in its own standard deviations"


def trusted(frames: RunFrames) -> Iterator[tuple[str, str, bool]]:
    """Yield what a reader should know before trusting a run: a name, what is so, if it is fine."""
    from cortexscope.stats import length_balance

    checked = [own for own in frames.origins if own.checks]
    failed = [
        f"{plain(own.label)}: {found.check}"
        for own in checked
        for found in own.checks
        if found.passed is False
    ]
    count = sum(found.passed is not None for own in checked for found in own.checks)
    unchecked = len(frames.origins) - len(checked)
    told = "; ".join(islice(failed, 3)) if failed else f"{count} checks passed"
    if unchecked:
        of = f"{unchecked} of {len(frames.origins)} models unchecked"
        told = f"{told if checked else 'not made'} ({of})"
    yield "Selfcheck", told, not failed and not unchecked
    missing = frames.missing()
    lost = int(missing["values"].sum()) if len(missing) else 0
    metrics = missing["metric"].nunique() if len(missing) else 0
    yield (
        "Undefined values",
        f"{lost:,} in {metrics} metrics" if lost else "none",
        not lost,
    )
    cut = sum(len(own.truncations) for own in frames.origins)
    yield "Texts cut short", str(cut) if cut else "none", not cut
    named = [*(own for own in frames.labels if not frames.stacks_of(own)), *frames.failures]
    unread = [plain(model) for model in dict.fromkeys(named)]
    yield "Models without a value", ", ".join(unread) or "none", not unread
    lengths = frames.lengths.dropna(subset=["task"])
    if lengths["task"].nunique() > 1:
        tokens = lengths[lengths["n_tokens"] > 0]
        by_task: dict[str, dict[str, list[int]]] = {}
        for task, prompt, count in tokens[["task", "prompt_id", "n_tokens"]].to_numpy():
            by_task.setdefault(str(task), {}).setdefault(str(prompt), []).append(int(count))
        balance = length_balance(by_task)
        share = f"{100 * balance.explained:.0f} % of the variance of log length"
        yield "Length explained by task", share, balance.explained < 0.05
