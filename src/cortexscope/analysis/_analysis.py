"""The statistics of runs, a table at a time, made of nothing but their folders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cortexscope.analysis._groups import TASK, groups_of
from cortexscope.analysis._kept import Kept
from cortexscope.analysis._scopes import stream
from cortexscope.analysis._settings import Settings, settings_of
from cortexscope.analysis._values import as_texts, in_order, metrics_with_values, without_controls
from cortexscope.analysis._vectors import Vectors, vectors_of
from cortexscope.analysis._writing import write_tables
from cortexscope.analysis.tables import TABLES
from cortexscope.analysis.tables._step import Step
from cortexscope.errors import UnknownNameError
from cortexscope.metrics import HEADLINE
from cortexscope.registry import suggestion
from cortexscope.store import Measurements, Run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["Analysis"]

_T = TypeVar("_T")


class Analysis:
    """The statistics of a run or several, each table made when it is asked for, and once.

    The prompt is the unit; paraphrases of one are one cluster. Tables are of all metrics, of a few
    metrics closely (those named, or the headline metrics that were measured), and of the layers'
    states. A number is decided by what was measured, the settings and the name of what it is of,
    whatever else is made beside it; only p-values that count several metrics depend on which.

    The tables of one run are kept in its folder `stats`, and read from there as long as neither
    what was measured, the settings nor the code has changed. Where nothing can be written there,
    they are made anew.

    Args:
        run: one, finished or not, or the measurements of several.
        metrics: only these or those of these groups, all where None; those named are looked at
            closely.
        by: what prompts are told apart by: their `task`, or a column of the user's own, whose
            groups then stand in all tables where tasks do. Of a number there is the table `slopes`.
        within: `task` to compare groups inside of tasks alone, in the tables that can.
        settings: what decides all that is drawn; as the tables in the run's folder were made where
            None.
        folder: where tables are kept and written, the run's `stats` where None, and a folder of
            its own in there for a column; those of several runs are then not kept.
        note: told what comes next.

    Raises:
        UnknownNameError: if a metric was not measured, or has not one number a prompt, or there is
            no such column.
        UsageError: if a column cannot be taken so.
        CorruptRunError: here or later, if a file of the run is damaged.
    """

    def __init__(
        self,
        run: Run | Measurements,
        *,
        metrics: Collection[str] | None = None,
        by: str = TASK,
        within: str | None = None,
        settings: Settings | None = None,
        folder: Path | None = None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.measured = Measurements.of(run)
        self.groups = groups_of(self.measured, by, within=within)
        """What prompts are told apart by."""
        alone = self.measured.runs[0] if len(self.measured.runs) == 1 else None
        if settings is None:
            settings = settings_of(alone, self.groups.folder) if alone else Settings()
        self.settings = settings
        self._asked = metrics
        self.metrics = self._chosen(metrics)
        """What is analysed, in the order of the run."""
        usual = tuple(name for name in HEADLINE if name in self.metrics)
        usual = usual or self.metrics[: len(HEADLINE)]
        self.focus = usual if metrics is None else self.metrics
        """What is looked at closely."""
        self.folder = folder or (alone.path / "stats" / self.groups.folder if alone else None)
        """Where tables are written, None where no folder was named."""
        self.note = note
        self._kept = Kept(self.folder, self.measured)
        self._made: dict[object, Any] = {}

    def __repr__(self) -> str:
        by = "" if self.groups.column is None else f" by {self.groups.name}"
        return f"<Analysis of {len(self.metrics)} metrics in {self.measured}{by}, {self.settings}>"

    def _chosen(self, metrics: Collection[str] | None) -> tuple[str, ...]:
        measured = self.measured
        known = metrics_with_values(measured)
        if metrics is None:
            return known
        groups = {spec.group for name, spec in measured.specs.items() if name in known}
        for name in metrics:
            if name not in known and name not in groups:
                raise UnknownNameError(
                    f"{measured} has no metric or group {name!r} with one number a prompt; "
                    f"{suggestion(name, (*known, *groups))}"
                )
        return tuple(
            name for name in known if name in metrics or measured.specs[name].group in metrics
        )

    def table(self, name: str) -> pd.DataFrame:
        """Return a table, a frame which is yours to change; empty where `missing` says why.

        Args:
            name: of `TABLES`.

        Raises:
            UnknownNameError: if there is no such table.
        """
        if name not in TABLES:
            raise UnknownNameError(f"There is no table {name!r}; {suggestion(name, TABLES)}")
        return as_texts(self._table(name))

    def _table(self, name: str) -> pd.DataFrame:
        """Return a table as it is kept here, not to be changed: of millions of rows no copy."""
        table: pd.DataFrame = self.once(("table", name), lambda: self._kept_or_built(name))
        return table

    @property
    def values(self) -> pd.DataFrame:
        """The table of values, whose texts are categories; not to be changed."""
        return self._table("values")

    def _kept_or_built(self, name: str) -> pd.DataFrame:
        import pandas as pd
        from threadpoolctl import threadpool_limits

        step = TABLES[name]
        if self._refused(step) is not None:
            return pd.DataFrame()

        def build() -> pd.DataFrame:
            if name != "values" and self.values.empty:
                return pd.DataFrame()
            # Many small products: threads of each cost more than they save.
            with threadpool_limits(1):
                return self.groups.worded_table(step.build(self))

        return self._kept.table(name, build, self._choices(step), of_vectors=step.of_vectors)

    def kept(self, name: str) -> bool:
        """Return whether a table is there already."""
        step = TABLES[name]
        return self._kept.holds(name, self._choices(step), of_vectors=step.of_vectors)

    def _choices(self, step: Step) -> list[object]:
        # The rows of a table are in the order of the run's metrics, whatever their order here.
        chosen = sorted(self.focus) if step.of_focus else [self.metrics, self.focus]
        return [asdict(self.settings), chosen, *self.groups.key]

    def _refused(self, step: Step) -> str | None:
        """Return why a table is not made of these groups; None where it is."""
        groups = self.groups
        if groups.kind not in step.kinds:
            what = "slopes" if groups.kind == "number" else "effects"
            return f"{groups.name} is a {groups.kind}, of which there is the table {what}"
        if groups.apart and not step.apart:
            return "this table does not keep tasks apart"
        return None

    @cached_property
    def of_tasks(self) -> Analysis:
        """The same analysis of tasks, whose values all others are made of."""
        if self.groups.column is None:
            return self
        return Analysis(self.measured, metrics=self._asked, settings=self.settings, note=self.note)

    def by_column(self, by: str, *, within: str | None = None) -> Analysis:
        """Return the analysis of a column, of all metrics where its tables are kept so.

        Values are shared, and the settings are those in the column's folder, if it has any.

        Raises:
            UnknownNameError: if there is no such column.
            UsageError: if it cannot be taken so.
        """
        every, few = (
            Analysis(self.measured, metrics=metrics, by=by, within=within, note=self.note)
            for metrics in (None, self._asked)
        )
        if any(every.kept(name) for name in ("effects", "slopes")):
            return every
        few.of_tasks = self.of_tasks
        return few

    def missing(self, name: str) -> str | None:
        """Return why a table is empty, None where it has rows."""
        if not self._table(name).empty:
            return None
        refused = self._refused(TABLES[name])
        if refused is not None:
            return refused
        first = "values" if self.values.empty else name
        return self.groups.worded(TABLES[first].absent(self))

    @property
    def names(self) -> tuple[str, ...]:
        """The tables that there are of groups, or of a number, and of what the run is about."""
        return tuple(
            name
            for name, step in TABLES.items()
            if self.groups.kind in step.kinds and step.concerns(self)
        )

    def sentences(self) -> Iterator[str]:
        """Yield what the tables come to, in sentences."""
        yield from self.groups.says()
        for name in self.names:
            yield from self.sentences_of(name)

    def sentences_of(self, name: str) -> Iterator[str]:
        """Yield what one table comes to; nothing where it is empty."""
        if (self.unasked(name) or self.missing(name)) is None:
            step = TABLES[name]
            said = step.says(self)
            # What can keep tasks apart speaks of these and of groups in its own words.
            yield from said if step.apart else map(self.groups.worded, said)

    def unasked(self, name: str) -> str | None:
        """Return why a table is not of what was asked for, None where it is."""
        others = set(TABLES[name].made_of) - set(self.metrics)
        if self._asked is None or not others:
            return None
        return f"it is made of other metrics too: {', '.join(sorted(others))}"

    def write(self) -> tuple[Path, ...]:
        """Write a CSV file a table and `stats.json`, which says what they are; return the paths.

        Raises:
            StoreError: if they cannot be written.
        """
        return write_tables(self)

    # What the tables ask for.

    @cached_property
    def read(self) -> pd.DataFrame:
        """The values of prompts and their paraphrases, without other controls.

        Texts are categories in the order of names, which are grouped and compared as numbers.
        """
        return in_order(without_controls(self.values))

    @cached_property
    def close(self) -> pd.DataFrame:
        """Those of the metrics that are looked at closely."""
        return self.read[self.read["metric"].isin(self.focus)]

    @property
    def one_task(self) -> str | None:
        """That there is one task, None where there are several."""
        return "there is one task" if self.read["task"].nunique() < 2 else None

    @cached_property
    def states(self) -> tuple[Vectors, ...]:
        """Each model's mean states of prompts; none of models without them."""
        found = (
            vectors_of(self.measured, model, self.measured.mean_states(model), self.groups)
            for model in self.measured.labels
        )
        return tuple(own for own in found if own is not None)

    def neurons(self, model: str) -> Vectors | None:
        """Return a model's mean activations of neurons, None where they were not kept."""
        return vectors_of(self.measured, model, self.measured.mean_neurons(model), self.groups)

    def stream(self, *names: str) -> np.random.Generator:
        """Return the random numbers of what is named: the same whatever else is made."""
        return stream(self.settings.seed, *names)

    def once(self, key: object, make: Callable[[], _T]) -> _T:
        """Return what was made under this key, made now if it was not."""
        if key not in self._made:
            self._made[key] = make()
        made: _T = self._made[key]
        return made
