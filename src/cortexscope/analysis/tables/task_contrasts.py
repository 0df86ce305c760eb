"""Every pair of tasks, raw and at equal lengths."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from cortexscope.analysis._frames import of_metrics, of_model
from cortexscope.analysis._scopes import bounds_of, scopes
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import DrawnOnce, task_contrasts
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

        every = list(scopes(of.close))
        forms = [self._of_form(of, form, every) for form in ("raw", "adjusted")]
        return of_metrics(list(chain.from_iterable(zip(*forms, strict=True))))

    def _of_form(
        self, of: Analysis, form: str, every: Sequence[tuple[str, str, pd.DataFrame]]
    ) -> list[tuple[str, pd.DataFrame]]:
        """Return the metric and the pairs of each scope, in their order."""
        rng = partial(of.stream, self.name, form)
        # One stream for all, so that the permutations are the same in all scopes.
        couple = DrawnOnce(rng)

        def of_scope(own: tuple[str, str, pd.DataFrame]) -> tuple[str, pd.DataFrame]:
            metric, scope, frame = own
            found = task_contrasts(
                frame,
                adjusted=form == "adjusted",
                rng=rng(),
                permutations=of.settings.permutations,
                couple=couple,
                bounds=bounds_of(frame),
            )
            found.insert(0, "form", form)
            return metric, of_model(found, scope)

        # All models together, which are last, take longest: first, they leave no thread idle.
        return [*threaded(of_scope, every[::-1])][::-1]

    def absent(self, of: Analysis) -> str:
        """Return why no two tasks are compared."""
        return "there is one task"
