"""Every pair of tasks, raw and at equal lengths."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from cortexscope.analysis._frames import of_metrics, of_model
from cortexscope.analysis._scopes import bounds_of, scopes
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import task_contrasts, units_of
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["TaskContrasts"]


class TaskContrasts(Step):
    """As `stats.task_contrasts` gives them; `model` is the scope."""

    name = "task_contrasts"
    holds = (
        "every pair of tasks, raw and at equal lengths, in each model and over all of them "
        "standardised"
    )
    of_focus = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, scope, form (raw, adjusted) and pair of tasks."""
        of.note(f"a closer look at {', '.join(of.focus)}")

        def of_scope(own: tuple[str, str, pd.DataFrame]) -> list[tuple[str, pd.DataFrame]]:
            metric, scope, frame = own
            units, pairs = units_of(frame), []
            for form in ("raw", "adjusted"):
                found = task_contrasts(
                    units,
                    adjusted=form == "adjusted",
                    # One stream for all, so that the permutations are the same in all scopes.
                    rng=of.stream(self.name, form),
                    permutations=of.settings.permutations,
                    bounds=bounds_of(frame),
                )
                found.insert(0, "form", form)
                pairs.append((metric, of_model(found, scope)))
            return pairs

        # All models together, which are last, take longest: first, they leave no thread idle.
        every = [*threaded(of_scope, list(scopes(of.close))[::-1])][::-1]
        return of_metrics(list(chain.from_iterable(every)))

    def absent(self, of: Analysis) -> str:
        """Return why no two tasks are compared."""
        return "there is one task"
