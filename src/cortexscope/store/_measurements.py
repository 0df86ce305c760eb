"""What runs measured, as numbers: the one way from files of measurements to values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cortexscope.store._beside import Beside
from cortexscope.store._contents import in_texts
from cortexscope.store._reader import Run
from cortexscope.store._sums import (
    added,
    counted,
    counted_with_prompts,
    decoded,
    layered,
    reduced,
    regrouped,
    summed,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Measurements"]

_PLACE = ["model", "metric", "stack", "prompt_id", "task", "n_tokens"]


class Measurements(Beside):
    """The measurements of one run or several, read when they are asked for, file by file.

    What counts as a value is decided here for all: it is finite; values of generated tokens are in
    none; those of controls are where they are asked for. All frames keep the order of models, then
    that of files, and additions are made in that order by one thread, so that they are the same to
    the last bit whenever they are read. A mean is NaN where nothing is defined.

    Memory is that of the few files that are read at once, and of what is returned.
    """

    @classmethod
    def of(cls, *runs: Measurements | Run | Path | str) -> Measurements:
        """Return the measurements of runs, finished or not.

        A model that several runs have is called `FOLDER/LABEL` in all frames.

        Raises:
            StoreError: if a folder holds no run, or one that cannot be read.
            UsageError: if runs do not go together.
        """
        if len(runs) == 1 and isinstance(runs[0], Measurements):
            return runs[0]
        every: list[Run] = []
        for run in runs:
            one = run if isinstance(run, Run | Measurements) else Run(run)
            every += one.runs if isinstance(one, Measurements) else [one]
        return cls(every)

    def by_prompt(
        self, metrics: Collection[str] | None = None, *, controls: bool = False
    ) -> pd.DataFrame:
        """Return a prompt's value in each stack: its mean over layers and heads.

        Metrics with a further index are left out, and labels have no mean.

        Args:
            metrics: only these, all where None.
            controls: those of controls too.

        Returns:
            Columns model, metric, stack, prompt_id, task, n_tokens (of the stack's input), value;
            prompts in the order they were read.
        """
        return self._means(_PLACE, metrics, controls=controls)

    def by_layer(
        self,
        metrics: Collection[str] | None = None,
        *,
        models: Collection[str] | None = None,
        controls: bool = False,
        columns: Collection[str] | None = None,
    ) -> pd.DataFrame:
        """Return the same a layer, the mean over its heads: with columns layer and depth.

        Depth is the layer as a share of the last one of the stack that any metric has.

        Args:
            metrics: only these, all where None.
            models: only these, all where None.
            controls: those of controls too.
            columns: only these, the metric and the value, all where None. What nobody asks for of
                millions of rows need not be made.
        """
        names = [*_PLACE, "layer", "depth"]
        shown = [own for own in names if columns is None or own in (*columns, "metric")]

        def work(table: pa.Table, keys: list[str]) -> pd.DataFrame:
            return layered(table, keys, self._last, shown)

        found = self._means(
            names[:-1], metrics, models=models, controls=controls, work=work, shown=shown
        )
        if "depth" in found:
            # The last column, and of numbers where there are no rows.
            found["depth"] = found.pop("depth").astype("float64")
        return found

    def by_head(
        self,
        metrics: Collection[str] | None = None,
        *,
        models: Collection[str] | None = None,
        controls: bool = False,
    ) -> pd.DataFrame:
        """Return the same a layer and head, with columns layer and head; -1 is no head."""
        keys = [*_PLACE, "layer", "head"]
        found = self._means(keys, metrics, models=models, controls=controls, work=layered)
        return found.assign(head=found["head"].fillna(-1)).astype(
            {"layer": "int64", "head": "int64"}
        )

    def by_step(self, prompt: str, metrics: Collection[str]) -> pd.DataFrame:
        """Return the values of each token that models added to a prompt: the mean over its heads.

        Args:
            prompt: its id.
            metrics: only these; those with a further index are left out.

        Returns:
            Columns model, stack, metric, layer, step (the token's number, from 1), value; empty
            where nothing was generated.
        """
        keys = ["model", "stack", "metric", "layer", "step"]
        names = [name for name in self._chosen(metrics) if not self._indexed(name)]
        tables = (table.filter(table["layer"].is_valid()) for table in self.steps(prompt, names))
        found = summed((reduced(table, keys) for table in tables), keys, apart=True)
        return found.astype({"layer": "int64", "step": "int64"})

    def by_index(
        self, metrics: Collection[str] | None = None, *, tasks: Collection[str] = ()
    ) -> pd.DataFrame:
        """Return means over prompts of metrics with a further index.

        Args:
            metrics: only these, all where None.
            tasks: over the prompts of these, of all where empty.

        Returns:
            Columns model, stack, metric, layer, index, value.
        """
        keys = ["model", "stack", "metric", "layer", "index"]
        found = self._indices(keys, metrics, tasks)
        return found.astype({"layer": "int64", "index": "int64"})

    def by_prompt_and_index(
        self, metrics: Collection[str], *, tasks: Collection[str] = ()
    ) -> pd.DataFrame:
        """Return the same a prompt: with the columns task and prompt_id."""
        keys = ["model", "stack", "metric", "task", "prompt_id", "layer", "index"]
        found = self._indices(keys, metrics, tasks, apart=True)
        return found.astype({"layer": "int64", "index": "int64"})

    def _indices(
        self,
        keys: list[str],
        metrics: Collection[str] | None,
        tasks: Collection[str],
        *,
        apart: bool = False,
    ) -> pd.DataFrame:
        names = [name for name in self._chosen(metrics) if self._indexed(name)]

        def work(table: pa.Table) -> pd.DataFrame:
            known = pc.and_(table["layer"].is_valid(), table["index"].is_valid())
            known = pc.and_(known, in_texts(table["task"], tasks)) if tasks else known
            return reduced(table.filter(known), keys)

        read = self.each(work, names, wholes=False, columns=[*keys, "task"])
        return summed(read, keys, apart=apart)

    def by_place(
        self,
        metrics: Collection[str] | None = None,
        *,
        groups: Mapping[str, str] | None = None,
    ) -> pd.DataFrame:
        """Return means over the prompts of a task at each layer and head; -1 is no head.

        Values over all prompts together, or over sequences made for the purpose, have no task.
        Labels and metrics with a further index are left out.

        Args:
            metrics: only these, all where None.
            groups: by the ids of prompts, what stands in the place of their task; rows of none of
                these go.

        Returns:
            Columns model, stack, metric, task, layer, head, n (defined values), value.
        """
        keys = ["model", "stack", "metric", "task", "layer", "head"]
        names = [
            name
            for name in self._chosen(metrics)
            if not self._indexed(name) and self.specs[name].scale != "label"
        ]

        def work(table: pa.Table) -> pd.DataFrame:
            own = table.filter(table["layer"].is_valid())
            return reduced(own if groups is None else regrouped(own, groups), keys)

        columns = [*keys, *([] if groups is None else ["prompt_id"])]
        found = summed(self.each(work, names, columns=columns), keys, counted=True)
        return found.assign(head=found["head"].fillna(-1)).astype(
            {"layer": "int64", "head": "int64"}
        )

    def wholes(self, metrics: Collection[str] | None = None) -> pd.DataFrame:
        """Return values over all prompts together, or over sequences made for the purpose.

        Their mean over layers, heads and pairs.

        Returns:
            Columns model, stack, metric, value.
        """
        keys = ["model", "stack", "metric"]
        chosen = self._chosen(metrics)
        names = [name for name in chosen if self.specs[name].replication != "prompt"]

        def work(table: pa.Table) -> pd.DataFrame:
            alone = pc.and_(table["prompt_id"].is_null(), table["task"].is_null())
            return reduced(table.filter(alone), keys)

        return summed(self.each(work, names, columns=[*keys, "prompt_id", "task"]), keys)

    def common(self, metrics: Collection[str] | None = None) -> pd.DataFrame:
        """Return the most frequent value of labels, over prompts, layers and heads.

        Returns:
            Columns model, stack, metric, value (the lowest of several), share, prompts (with a
            value), undefined (prompts without one).
        """
        import pandas as pd

        keys = ["model", "stack", "metric"]
        names = [name for name in self._chosen(metrics) if self.specs[name].scale == "label"]
        columns = [*keys, "prompt_id", "value"]
        work = self.each(
            lambda table: decoded(table.select(columns)), names, wholes=False, columns=columns
        )
        tables = list(work)
        rows = []
        if tables:
            every = pd.concat(tables, ignore_index=True)
            for key, own in every.groupby(keys, sort=False):
                known = own.dropna(subset=["value"])
                counts = known["value"].value_counts().sort_index()
                first = (counts.idxmax(), counts.max() / len(known)) if len(known) else (None, None)
                prompts = known["prompt_id"].nunique()
                rows.append((*key, *first, prompts, own["prompt_id"].nunique() - prompts))
        return pd.DataFrame(rows, columns=[*keys, "value", "share", "prompts", "undefined"])

    def undefined(self, metrics: Collection[str] | None = None) -> pd.DataFrame:
        """Return what is undefined and why.

        Returns:
            Columns model, stack, metric, reason, values, of (all values), prompts.
        """
        import pandas as pd

        keys = ["model", "stack", "metric"]

        def work(table: pa.Table) -> tuple[pd.DataFrame, pd.DataFrame]:
            missing = table.filter(table["value"].is_null())
            return counted(table, keys), counted_with_prompts(missing, [*keys, "reason"])

        found = list(self.each(work, metrics, columns=[*keys, "reason", "prompt_id"]))
        if not found:
            return pd.DataFrame(columns=[*keys, "reason", "values", "of", "prompts"])
        totals, counts = zip(*found, strict=True)
        of = added(totals, keys, ["rows"]).rename(columns={"rows": "of"})
        # No prompt is in two files of a model.
        missing = added(counts, [*keys, "reason"], ["rows", "prompts"])
        missing = missing.rename(columns={"rows": "values"}).merge(of, on=keys, how="left")
        return missing.assign(reason=missing["reason"].fillna("no reason given"))

    def reasons(self, metric: str) -> tuple[str, ...]:
        """Return why values of a metric are undefined; none where all are defined."""
        return tuple(dict.fromkeys(self.undefined([metric])["reason"]))

    def _chosen(self, metrics: Collection[str] | None) -> tuple[str, ...]:
        return tuple(name for name in self.specs if metrics is None or name in metrics)

    def _indexed(self, metric: str) -> bool:
        return self.specs[metric].index is not None

    def _means(
        self,
        keys: list[str],
        metrics: Collection[str] | None,
        *,
        models: Collection[str] | None = None,
        controls: bool,
        work: Callable[[pa.Table, list[str]], pd.DataFrame] = reduced,
        shown: list[str] | None = None,
    ) -> pd.DataFrame:
        names = [name for name in self._chosen(metrics) if not self._indexed(name)]
        sums = self.each(
            lambda table: work(table, keys),
            names, models=models, controls=controls, wholes=False, columns=keys,
        )  # fmt: skip
        found = summed(sums, shown or keys, apart=True)
        labels = [name for name in names if self.specs[name].scale == "label"]
        if not labels:
            return found
        return found.assign(value=found["value"].mask(found["metric"].isin(labels)))
