"""What runs measured, as numbers: the one way from files of measurements to values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cortexscope.errors import UsageError
from cortexscope.records import MetricSpec, in_order
from cortexscope.store._contents import Contents, parts
from cortexscope.store._frames import to_frame
from cortexscope.store._reader import Run
from cortexscope.store._vectors import LayerMeans

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["NOT_FINITE", "Measurements"]

NOT_FINITE = "not a finite number"
"""The reason of a value that was written as infinite or as no number."""

_PLACE = ["model", "metric", "stack", "prompt_id", "task", "n_tokens"]
_PROMPT = ["model", "stack", "task", "prompt_id", "n_tokens"]


@dataclass(frozen=True, slots=True)
class _Source:
    run: Run
    label: str
    """In the run."""
    name: str
    """In the measurements."""


class Measurements:
    """The measurements of one run or several, read when they are asked for, file by file.

    What counts as a value is decided here for all: it is finite; values of generated tokens are in
    none; those of controls are where they are asked for. All frames keep the order of models, then
    that of files, and additions are made in that order by one thread, so that they are the same to
    the last bit whenever they are read. A mean is NaN where nothing is defined.

    Memory is that of one file and of what is returned.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(runs)
        labels = [(run, info.model) for run in self.runs for info in run.manifest.models]
        known = [label for _, label in labels]
        self._sources = {
            name: _Source(run, label, name)
            for run, label in labels
            for name in [label if known.count(label) == 1 else f"{run.path.name}/{label}"]
        }
        if len(self._sources) < len(labels):
            raise UsageError(
                "Two of the runs have the same model and the same folder name, so that they cannot "
                "be told apart; give one of the folders another name."
            )
        self._check_specs()

    def __str__(self) -> str:
        return ", ".join(str(run.path) for run in self.runs)

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
            if isinstance(run, Measurements):
                every += run.runs
            else:
                every.append(run if isinstance(run, Run) else Run(run))
        return cls(every)

    def _check_specs(self) -> None:
        first: dict[str, tuple[int, Run]] = {}
        for run in self.runs:
            for name, spec in run.manifest.metrics.items():
                version, other = first.setdefault(name, (spec.version, run))
                if spec.version != version:
                    raise UsageError(
                        f"{name} was measured by its version {version} in {other.path} and by its "
                        f"version {spec.version} in {run.path}, and these numbers do not compare; "
                        "run the older one again."
                    )

    @cached_property
    def specs(self) -> Mapping[str, MetricSpec]:
        """The metrics that were asked for, in the order of the runs."""
        return dict(pair for run in self.runs for pair in run.manifest.metrics.items())

    @property
    def labels(self) -> tuple[str, ...]:
        """The models, in the order given."""
        return tuple(self._sources)

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The metrics with a measurement, defined or not, in the order of `specs`."""
        found = {name for own in self._by_model.values() for name in own}
        return (*filter(found.__contains__, self.specs), *sorted(found - self.specs.keys()))

    @cached_property
    def stacks(self) -> Mapping[str, tuple[str, ...]]:
        """The stacks with a measurement of each model that has one.

        The first is its primary one: it reads the prompt, and stands for the model where there is
        room for one.
        """
        return {
            label: in_order({stack for names in own.values() for stack in names})
            for label, own in self._by_model.items()
            if own
        }

    @cached_property
    def _contents(self) -> Mapping[str, Sequence[Contents]]:
        return {name: own.run.contents(own.label) for name, own in self._sources.items()}

    @cached_property
    def _by_model(self) -> Mapping[str, Mapping[str, frozenset[str]]]:
        """The stacks of each metric of each model."""
        found: dict[str, dict[str, frozenset[str]]] = {}
        for label, files in self._contents.items():
            own = found.setdefault(label, {})
            for file in files:
                for stack, metrics in file.metrics.items():
                    for metric in metrics:
                        own[metric] = own.get(metric, frozenset()) | {stack}
        return found

    def primary(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a frame that are of the model's primary stack.

        Of a metric that this stack has not, such as the surprisal of an encoder-decoder, those of
        the first stack that has it.
        """
        if "metric" not in frame:
            first = {model: names[0] for model, names in self.stacks.items()}
            return frame[frame["stack"] == frame["model"].map(first)]
        known = {
            f"{model}\0{metric}": in_order(names)[0]
            for model, own in self._by_model.items()
            for metric, names in own.items()
        }
        return frame[frame["stack"] == (frame["model"] + "\0" + frame["metric"]).map(known)]

    @cached_property
    def prompts(self) -> pd.DataFrame:
        """The prompts of all runs, as `prompts.parquet` has them, each once.

        Raises:
            UsageError: if one id is of two prompts.
        """
        import pandas as pd

        every = pd.concat([run.prompts() for run in self.runs], ignore_index=True)
        once = every.drop_duplicates(["prompt_id", "task", "text", "target"], ignore_index=True)
        twice = once.loc[once["prompt_id"].duplicated(), "prompt_id"]
        if len(twice):
            raise UsageError(
                f"The runs have different prompts of the id {twice.iloc[0]!r}, so that they cannot "
                "be read together; give prompts that differ ids that differ."
            )
        return once

    @cached_property
    def models(self) -> pd.DataFrame:
        """The models, one a row, as `models.parquet` has them."""
        import pandas as pd

        models = pd.concat([run.models() for run in self.runs], ignore_index=True)
        return models.assign(model=list(self.labels))

    @cached_property
    def _last(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for label, files in self._contents.items():
            for file in files:
                for stack, layer in file.last.items():
                    key = f"{label}\0{stack}"
                    found[key] = max(layer, found.get(key, layer))
        return found

    def lengths(self, *, controls: bool = False) -> pd.DataFrame:
        """Return how many tokens each stack was given of prompts with a measurement.

        Args:
            controls: those of controls too.

        Returns:
            Columns model, stack, task, prompt_id, n_tokens.
        """
        import pandas as pd

        rows = [
            (label, stack, file.tasks[prompt], prompt, length)
            for label, files in self._contents.items()
            for file in files
            for stack in in_order(file.lengths)
            for prompt, length in file.lengths[stack].items()
            if controls or prompt not in self._controls[label]
        ]
        return pd.DataFrame(rows, columns=_PROMPT)

    @cached_property
    def _controls(self) -> Mapping[str, frozenset[str]]:
        ids = {id(run): frozenset(run.control_ids()) for run in self.runs}
        return {name: ids[id(own.run)] for name, own in self._sources.items()}

    def mean_states(self, model: str) -> LayerMeans | None:
        """Return each prompt's mean state of each layer, as `Run.mean_states`."""
        own = self._sources[model]
        return own.run.mean_states(own.label)

    def mean_neurons(self, model: str) -> LayerMeans | None:
        """Return each prompt's mean activation of neurons, as `Run.mean_neurons`."""
        own = self._sources[model]
        return own.run.mean_neurons(own.label)

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
        self, metrics: Collection[str] | None = None, *, controls: bool = False
    ) -> pd.DataFrame:
        """Return the same a layer, the mean over its heads: with columns layer and depth.

        Depth is the layer as a share of the last one of the stack that any metric has.
        """
        found = self._means([*_PLACE, "layer"], metrics, controls=controls)
        found = found[found["layer"].notna()].astype({"layer": "int64"})
        last = (found["model"] + "\0" + found["stack"]).map(self._last).astype("float64")
        return found.assign(depth=found["layer"] / last.where(last > 0, 1))

    def by_head(
        self,
        metrics: Collection[str] | None = None,
        *,
        models: Collection[str] | None = None,
        controls: bool = False,
    ) -> pd.DataFrame:
        """Return the same a layer and head, with columns layer and head; -1 is no head.

        Args:
            metrics: only these, all where None.
            models: only these, all where None.
            controls: those of controls too.
        """
        keys = [*_PLACE, "layer", "head"]
        found = self._means(keys, metrics, models=models, controls=controls)
        found = found[found["layer"].notna()]
        return found.assign(head=found["head"].fillna(-1)).astype(
            {"layer": "int64", "head": "int64"}
        )

    def by_index(self, metrics: Collection[str] | None = None) -> pd.DataFrame:
        """Return means over prompts of metrics with a further index.

        Returns:
            Columns model, stack, metric, layer, index, value.
        """
        keys = ["model", "stack", "metric", "layer", "index"]
        names = [name for name in self._chosen(metrics) if self._indexed(name)]
        tables = (
            table.filter(pc.and_(table["layer"].is_valid(), table["index"].is_valid()))
            for table in self._tables(names, wholes=False)
        )
        found = _summed((_reduced(table, keys) for table in tables), keys)
        return found.astype({"layer": "int64", "index": "int64"})

    def wholes(self, metrics: Collection[str] | None = None) -> pd.DataFrame:
        """Return values over all prompts together, or over sequences made for the purpose.

        Their mean over layers, heads and pairs.

        Returns:
            Columns model, stack, metric, value.
        """
        keys = ["model", "stack", "metric"]
        chosen = self._chosen(metrics)
        names = [name for name in chosen if self._of(name).replication != "prompt"]
        tables = (
            table.filter(pc.and_(table["prompt_id"].is_null(), table["task"].is_null()))
            for table in self._tables(names)
        )
        return _summed((_reduced(table, keys) for table in tables), keys)

    def common(self, metrics: Collection[str] | None = None) -> pd.DataFrame:
        """Return the most frequent value of labels, over prompts, layers and heads.

        Returns:
            Columns model, stack, metric, value (the lowest of several), share, prompts (with a
            value), undefined (prompts without one).
        """
        import pandas as pd

        keys = ["model", "stack", "metric"]
        names = [name for name in self._chosen(metrics) if self._of(name).scale == "label"]
        tables = [
            _decoded(table.select([*keys, "prompt_id", "value"]))
            for table in self._tables(names, wholes=False)
        ]
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
        counts, totals, seen = [], [], []
        for table in self._tables(metrics):
            totals.append(_reduced(table, keys, [([], "count_all")]))
            missing = table.filter(table["value"].is_null())
            counts.append(_reduced(missing, [*keys, "reason"], [([], "count_all")]))
            seen.append(_reduced(missing, [*keys, "reason"], [("prompt_id", "count_distinct")]))
        if not totals:
            return pd.DataFrame(columns=[*keys, "reason", "values", "of", "prompts"])
        of = _added(totals, keys, "count_all").rename(columns={"count_all": "of"})
        found = _added(counts, [*keys, "reason"], "count_all")
        # No prompt is in two files of a model.
        prompts = _added(seen, [*keys, "reason"], "prompt_id_count_distinct")
        found = found.rename(columns={"count_all": "values"}).assign(
            prompts=prompts["prompt_id_count_distinct"]
        )
        found = found.merge(of, on=keys, how="left")
        return found.assign(reason=found["reason"].fillna("no reason given"))

    def reasons(self, metric: str) -> tuple[str, ...]:
        """Return why values of a metric are undefined; none where all are defined."""
        return tuple(dict.fromkeys(self.undefined([metric])["reason"]))

    def _of(self, metric: str) -> MetricSpec:
        return self.specs[metric]

    def _chosen(self, metrics: Collection[str] | None) -> tuple[str, ...]:
        return tuple(name for name in self.specs if metrics is None or name in metrics)

    def _indexed(self, metric: str) -> bool:
        return self._of(metric).index is not None

    def _means(
        self,
        keys: list[str],
        metrics: Collection[str] | None,
        *,
        models: Collection[str] | None = None,
        controls: bool,
    ) -> pd.DataFrame:
        names = [name for name in self._chosen(metrics) if not self._indexed(name)]
        tables = self._tables(names, models=models, controls=controls, wholes=False)
        found = _summed((_reduced(table, keys) for table in tables), keys, apart=True)
        labels = [name for name in names if self._of(name).scale == "label"]
        return found.assign(value=found["value"].mask(found["metric"].isin(labels)))

    def _tables(
        self,
        metrics: Collection[str] | None = None,
        *,
        models: Collection[str] | None = None,
        controls: bool = False,
        wholes: bool = True,
    ) -> Iterator[pa.Table]:
        for own in self._sources.values():
            if models is not None and own.name not in models:
                continue
            known = own.run.manifest.metrics
            names = None if metrics is None else [name for name in metrics if name in known]
            for table in own.run.rows(
                metrics=names, models=[own.label], controls=controls, wholes=wholes
            ):
                yield _named(_finite(table), own)


def _named(table: pa.Table, own: _Source) -> pa.Table:
    if own.name == own.label or not len(table):
        return table
    codes, _ = parts(table["model"])
    column = pa.DictionaryArray.from_arrays(codes, pa.array([own.name], pa.string()))
    return table.set_column(table.schema.get_field_index("model"), "model", column)


def _finite(table: pa.Table) -> pa.Table:
    """Return a table whose values that are no numbers are undefined, with that as their reason."""
    wrong = pc.fill_null(pc.invert(pc.is_finite(table["value"])), False)
    if not pc.any(wrong).as_py():
        return table
    value = pc.if_else(wrong, pa.scalar(None, pa.float64()), table["value"])
    reason = pc.if_else(wrong, NOT_FINITE, table["reason"].cast(pa.string()))
    for name, column in (("value", value), ("reason", reason.dictionary_encode())):
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table.unify_dictionaries().combine_chunks()


_SUMS = (("value", "sum"), ("value", "count"))


def _reduced(
    table: pa.Table, keys: list[str], aggregates: Sequence[tuple[object, str]] = _SUMS
) -> pd.DataFrame:
    """Return sums over the rows of a file with the same keys, texts as texts."""
    columns, words = {}, {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            # Numbers are grouped four times as fast as texts.
            column, words[name] = parts(column)
        columns[name] = column
    # One thread keeps the order of rows and of additions, so that what is read is repeatable.
    found = pa.table(columns).group_by(keys, use_threads=False).aggregate(list(aggregates))
    frame = to_frame(found.sort_by([(name, "ascending") for name in keys]))
    for name in keys:
        if name in words:
            frame[name] = _texts(frame[name].to_numpy(dtype="float64", na_value=-1), words[name])
    return frame


def _texts(codes: np.ndarray, words: list[str]) -> np.ndarray:
    import numpy as np

    return np.array([*words, None], dtype=object).take(codes.astype("int64"))


def _decoded(table: pa.Table) -> pd.DataFrame:
    import pandas as pd

    columns = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            codes, words = parts(column)
            columns[name] = _texts(codes.fill_null(-1).to_numpy(), words)
        else:
            columns[name] = column.to_numpy()
    return pd.DataFrame(columns)


def _summed(
    frames: Iterator[pd.DataFrame], keys: list[str], *, apart: bool = False
) -> pd.DataFrame:
    """Return the means of what files give; `apart` where no two files share keys."""
    import pandas as pd

    found = [frame for frame in frames if len(frame)]
    if not found:
        columns = {name: pd.Series(dtype=object) for name in keys}
        return pd.DataFrame({**columns, "value": pd.Series(dtype="float64")})
    names = ["value_sum", "value_count"]
    every = pd.concat(found, ignore_index=True)
    if not apart:
        grouped = every.groupby(keys, sort=False, dropna=False, as_index=False)
        every = grouped[names].sum()
    count = every["value_count"].where(every["value_count"] > 0)
    value = every["value_sum"].where(every["value_count"] > 0) / count
    return every.drop(columns=names).assign(value=value.astype("float64"))


def _added(frames: Sequence[pd.DataFrame], keys: list[str], name: str) -> pd.DataFrame:
    import pandas as pd

    every = pd.concat(frames, ignore_index=True)
    return every.groupby(keys, sort=False, dropna=False, as_index=False)[[name]].sum()
