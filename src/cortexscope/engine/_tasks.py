"""Finish the metrics of whole tasks from what was kept of every prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from cortexscope.engine._tabulate import PromptRow, tabulate
from cortexscope.metrics._metric import Layout, Metric
from cortexscope.metrics._pooled import OverPrompts
from cortexscope.metrics._states import State, select

__all__ = ["tabulate_tasks"]


def tabulate_tasks(
    metrics: Sequence[Metric],
    pooled: Mapping[str, State],
    prompts: Sequence[PromptRow],
    *,
    model: str,
) -> pa.Table:
    """Return a value of each metric for each task, and one for all prompts together.

    Prompts are taken in the order of their ids, so that nothing depends on how they were batched.

    Args:
        metrics: those that are not of tasks are left out.
        pooled: what was kept of the prompts, by the name of the pool.
        prompts: id and task of each, in the order in which they were kept.
        model: the label.
    """
    tables = []
    for task, chosen in _groups(prompts):
        results = [
            (metric, list(metric.compute(state, _layout(state))))
            for metric in metrics
            if isinstance(metric, OverPrompts)
            for state in (select(pooled[metric.pool.name], chosen),)
        ]
        tables.append(tabulate(results, model=model, prompts=[(None, task)], lengths=None))
    return pa.concat_tables(tables)


def _groups(prompts: Sequence[PromptRow]) -> Iterator[tuple[str | None, list[int]]]:
    order = sorted(range(len(prompts)), key=lambda number: prompts[number][0] or "")
    for task in dict.fromkeys(task for _, task in prompts):
        if task is not None:
            yield task, [number for number in order if prompts[number][1] == task]
    yield None, order


def _layout(state: State) -> Layout:
    stacks = {site.stack: tuple(s for s in state if s.stack == site.stack) for site in state}
    return Layout(hidden=tuple(stacks.values()), blocks=(), attention=(), final=())
