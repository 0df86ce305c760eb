"""What tables and figures are made of: the frames of runs, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cortexscope.records import Manifest
from cortexscope.report._labels import plain
from cortexscope.report._origins import Origin, origins_of
from cortexscope.store import MeasuredOnce, Measurements, Run
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis import Analysis

__all__ = ["RunFrames"]


class RunFrames:
    """What a report needs of runs, finished or not; a value is NaN where it is undefined.

    Metrics that are asked for together are read together, and once.

    Args:
        run: one, or the measurements of several.

    Raises:
        CorruptRunError: here or later, if a file of a run is missing or damaged.
    """

    def __init__(self, run: Run | Measurements) -> None:
        self.measured = MeasuredOnce(Measurements.of(run))
        self._cells: dict[tuple[str, ...], pd.DataFrame] = {}
        self._of_models: dict[str, dict[str, pd.DataFrame]] = {}

    @cached_property
    def analysis(self) -> Analysis:
        """The run's statistics of the headline metrics, those of `cortexscope stats`.

        Of all metrics where these are kept; none is made that is not shown.
        """
        from cortexscope.analysis import Analysis

        every = Analysis(self.measured)
        return every if every.kept("effects") else Analysis(self.measured, metrics=every.focus)

    @cached_property
    def origins(self) -> tuple[Origin, ...]:
        """How each model was read, in the order given."""
        return origins_of(self.measured)

    @cached_property
    def manifests(self) -> tuple[Manifest, ...]:
        """What was asked and what ran, a run each."""
        return tuple(run.manifest for run in self.measured.runs)

    @property
    def finished(self) -> bool:
        """Whether every run is, but for models that failed."""
        return all(own.status != "running" for own in self.manifests)

    @property
    def failures(self) -> dict[str, str]:
        """Why models have no measurements that were asked for, by their run's label."""
        return {
            model: why
            for own in self.manifests
            if own.status == "failed"
            for model, why in own.failures.items()
        }

    @property
    def models(self) -> pd.DataFrame:
        """`models.parquet`, in the order given."""
        return self.measured.models

    @property
    def prompts(self) -> pd.DataFrame:
        """`prompts.parquet`."""
        return self.measured.prompts

    @cached_property
    def lengths(self) -> pd.DataFrame:
        """How many tokens the primary stack was given, as `Measurements.lengths`."""
        return self.primary(self.measured.lengths())

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """In the order of the suites."""
        read = self.lengths["task"].dropna().unique()
        planned = (task for own in self.manifests for task in own.suite.tasks)
        return tuple(dict.fromkeys([*planned, *map(str, read)]))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those with a measurement, defined or not, in the order of the manifest."""
        return self.measured.metrics

    @property
    def labels(self) -> tuple[str, ...]:
        """The models' labels, in the order given."""
        return self.measured.labels

    def slot(self, model: str) -> int:
        """Return a model's place, which decides its colour in every figure."""
        return self.labels.index(model)

    @property
    def stack_names(self) -> Mapping[str, tuple[str, ...]]:
        """The stacks with a measurement of each model; the first is its primary one."""
        return self.measured.stacks

    def stacks_of(self, model: str) -> tuple[str, ...]:
        """Return the stacks with a measurement; the first is the primary one."""
        return self.stack_names.get(model, ())

    def named(self, model: str, stack: str) -> str:
        """Return the model's label, with the stack where it has several."""
        label = plain(model)
        return f"{label} ({stack})" if len(self.stacks_of(model)) > 1 else label

    @property
    def many_stacked(self) -> tuple[str, ...]:
        """The labels of models with several stacks, such as encoder-decoders."""
        return tuple(label for label in self.labels if len(self.stacks_of(label)) > 1)

    def primary(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a frame that are of the model's primary stack."""
        return self.measured.primary(frame)

    def stacks(self, metrics: Collection[str] | None = None) -> pd.DataFrame:
        """Return a prompt's value of metrics in each stack, as `Measurements.by_prompt`."""
        return self.measured.by_prompt(metrics)

    def values(self, metrics: Collection[str]) -> pd.DataFrame:
        """Return those of `stacks` that are of the model's primary stack."""
        return self.primary(self.stacks(metrics))

    def values_of(self, model: str, metric: str) -> pd.DataFrame:
        """Return those of one model and metric, not to be changed: they are kept."""
        if metric not in self._of_models:
            every = self.values([metric])
            own = dict(iter(every.groupby("model", sort=False)))
            self._of_models[metric] = {
                label: own.get(label, every.iloc[:0]) for label in self.labels
            }
        return self._of_models[metric][model]

    def layers(
        self, metrics: Collection[str], columns: Collection[str] | None = None
    ) -> pd.DataFrame:
        """Return those of layers, as `Measurements.by_layer`; nothing of it is kept.

        Args:
            metrics: only these.
            columns: only these, all where None; what the others take is held of one model alone.
                Models are then categories, in the order of `labels`, since the texts of millions
                of rows take longer than the rows.
        """
        import numpy as np
        import pandas as pd

        if columns is None:
            return self.measured.by_layer(metrics)
        names = list(columns)

        def of_model(model: str) -> pd.DataFrame:
            own = self.measured.by_layer(metrics, models=[model], columns=names)[names]
            if "model" in own:
                place = np.full(len(own), self.slot(model), dtype=np.int16)
                own["model"] = pd.Categorical.from_codes(place, categories=pd.Index(self.labels))
            return own

        parts = [own for own in threaded(of_model, self.labels) if len(own)]
        none = pd.DataFrame(columns=list(columns))
        return pd.concat(parts, ignore_index=True) if parts else none

    @cached_property
    def places(self) -> pd.DataFrame:
        """Means over a task's prompts at each layer and head, as `Measurements.by_place`."""
        return self.measured.by_place()

    def places_by(self, groups: Mapping[str, str]) -> pd.DataFrame:
        """Return the same over groups of prompts in the place of tasks; nothing of it is kept."""
        return self.measured.by_place(groups=groups)

    def heads(self, tasks: Collection[str] = ()) -> pd.DataFrame:
        """Return means over prompts at each head of the primary stack, none undefined.

        Args:
            tasks: over the prompts of these, of all where empty; what was measured over all
                prompts together, or over sequences, is of no task.

        Returns:
            Columns model, stack, metric, layer, head, value.
        """
        found = self.primary(self.places)
        found = found[found["task"].isin(tasks)] if tasks else found
        found = found[(found["head"] >= 0) & found["value"].notna()]
        # What was measured over all prompts together is no mean over tasks.
        together = set(found.loc[found["task"].isna(), "metric"])
        found = found[found["task"].isna() | ~found["metric"].isin(together)]
        sums = found.assign(value=found["value"] * found["n"])
        keys = ["model", "stack", "metric", "layer", "head"]
        whole = sums.groupby(keys, sort=False, as_index=False)[["value", "n"]].sum()
        return whole.assign(value=whole["value"] / whole["n"]).drop(columns="n")

    @cached_property
    def common(self) -> pd.DataFrame:
        """The most frequent labels, as `Measurements.common`."""
        return self.measured.common()

    @cached_property
    def wholes(self) -> pd.DataFrame:
        """Values over all prompts together, as `Measurements.wholes`."""
        return self.measured.wholes()

    def missing(self, metrics: Collection[str] | None = None) -> pd.DataFrame:
        """Return what is undefined and why, as `Measurements.undefined`."""
        return self.measured.undefined(metrics)

    def primary_missing(self, metrics: Collection[str] | None = None) -> pd.DataFrame:
        """Return those of `missing` that are of the model's primary stack."""
        return self.primary(self.missing(metrics))

    def read(self) -> None:
        """Read at once what a whole report is made of; parts of it read what they need alone."""
        self.stacks()
        self.missing()

    def cells(self, metrics: Collection[str]) -> pd.DataFrame:
        """Return every planned (model, task), in order, with the means over prompts.

        Args:
            metrics: each gets a column of its name, if it was measured.

        Returns:
            Columns model, task, inputs (prompts read), tokens (their mean length), and a metric's
            mean in the model's primary stack.
        """
        key = tuple(metrics)
        if key not in self._cells:
            self._cells[key] = self._cells_of(key)
        return self._cells[key].copy()

    def _cells_of(self, metrics: Collection[str]) -> pd.DataFrame:
        import pandas as pd

        index = pd.MultiIndex.from_product(
            [list(self.labels), list(self.tasks)], names=["model", "task"]
        )
        read = self.lengths.groupby(["model", "task"])
        values = self.values(metrics)
        means = values.groupby(["model", "task", "metric"])["value"].mean().unstack("metric")
        inputs = read["prompt_id"].nunique().reindex(index).fillna(0).astype("int64")
        tokens = read["n_tokens"].mean().reindex(index).astype("float64")
        columns: dict[str, Any] = {"inputs": inputs, "tokens": tokens}
        for metric in metrics:
            if metric in self.metrics:
                column = means[metric] if metric in means else pd.Series(dtype="float64")
                columns[metric] = column.reindex(index).astype("float64")
        return pd.DataFrame(columns, index=index).reset_index()
