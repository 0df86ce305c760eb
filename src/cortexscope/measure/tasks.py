"""Finish the metrics of whole tasks from what was kept of every prompt."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import torch

from cortexscope.measure._outside import bounded_output, is_outside, reason, sentence
from cortexscope.measure.tabulate import PromptRow, tabulate
from cortexscope.metrics.base.contract import check_shape
from cortexscope.metrics.base.metric import Layout, Metric, Values
from cortexscope.metrics.base.plugins import failure
from cortexscope.metrics.base.pooled import OverPrompts
from cortexscope.metrics.base.states import State, select
from cortexscope.records import Site, Stack
from cortexscope.store import MEASUREMENTS, Vectors

__all__ = ["pools_of", "tabulate_tasks"]

_LACKS = "its plug-in failed on some of the prompts"


def pools_of(metrics: Sequence[Metric]) -> frozenset[str]:
    """Return the names of what metrics of whole tasks are made of."""
    return frozenset(metric.pool.name for metric in metrics if isinstance(metric, OverPrompts))


def tabulate_tasks(
    metrics: Sequence[Metric],
    kept: Sequence[Vectors],
    *,
    model: str,
    leave_out: Collection[str] = (),
    failed: dict[str, str] | None = None,
) -> pa.Table:
    """Return a value of each metric for each task, and one for all prompts together.

    Prompts are taken in the order of their ids, so that nothing depends on how they were batched.

    Args:
        metrics: those that are not of tasks are left out.
        kept: what was kept of the prompts, in several parts; a part may lack a stack.
        model: the label.
        leave_out: ids of prompts that do not count, such as controls.
        failed: takes a sentence on each metric of a plug-in that fails, by its name; its values are
            undefined then. Where None, the error is raised.
    """
    found: dict[str | None, list[tuple[Metric, list[Values]]]] = {}
    for metric in metrics:
        if not isinstance(metric, OverPrompts):
            continue
        for stack in _stacks(kept):
            if any(metric.pool.name not in part.pools for part in kept):
                for task in _tasks(kept, frozenset(leave_out)):
                    found.setdefault(task, []).append(
                        (metric, [Values((Site.whole(stack),), None, _LACKS)])
                    )
                continue
            state, prompts = _joined(kept, metric.pool.name, stack)
            layout = Layout(hidden=(tuple(sorted(state)),), blocks=(), attention=(), final=())
            for task, chosen in _groups(prompts, frozenset(leave_out)):
                try:
                    values = _values(metric, select(state, chosen), layout)
                except (Exception, SystemExit) as error:
                    if failed is None or not is_outside(metric):
                        raise failure(metric.spec.name, error) from error
                    failed[metric.spec.name] = sentence(metric, error)
                    values = [Values((Site.whole(stack),), None, reason(error))]
                found.setdefault(task, []).append((metric, values))
    tables = [
        tabulate(results, model=model, prompts=[(None, task)], lengths=None)
        for task, results in sorted(found.items(), key=lambda item: (item[0] is None, item[0]))
    ]
    return pa.concat_tables(tables) if tables else MEASUREMENTS.empty_table()


def _values(metric: Metric, state: State, layout: Layout) -> list[Values]:
    if not is_outside(metric):
        return list(metric.compute(state, layout))
    with bounded_output():
        values = list(metric.compute(state, layout))
    for found in values:
        check_shape(metric, found, 1)
    return values


def _tasks(kept: Sequence[Vectors], left_out: frozenset[str]) -> list[str | None]:
    prompts = [row for part in kept for row in part.prompts]
    return [task for task, _ in _groups(prompts, left_out)]


def _stacks(kept: Sequence[Vectors]) -> list[Stack]:
    """Return the stacks that anything was kept of."""
    return list(
        dict.fromkeys(
            site.stack for part in kept for state in part.pools.values() for site in sorted(state)
        )
    )


def _joined(kept: Sequence[Vectors], pool: str, stack: Stack) -> tuple[State, list[PromptRow]]:
    """Return what was kept of a stack, as one state, and the prompts that it is of."""
    own = [
        ({site: sums for site, sums in part.pools[pool].items() if site.stack == stack}, part)
        for part in kept
    ]
    own = [(state, part) for state, part in own if state]
    state = {
        site: {
            name: torch.cat([part[site][name].cpu() for part, _ in own]) for name in own[0][0][site]
        }
        for site in own[0][0]
    }
    return state, [row for _, part in own for row in part.prompts]


def _groups(
    prompts: Sequence[PromptRow], left_out: frozenset[str]
) -> Iterator[tuple[str | None, list[int]]]:
    counted = (number for number, (name, _) in enumerate(prompts) if name not in left_out)
    order = sorted(counted, key=lambda number: prompts[number][0] or "")
    for task in dict.fromkeys(task for _, task in prompts):
        if task is not None:
            yield task, [number for number in order if prompts[number][1] == task]
    yield None, order
