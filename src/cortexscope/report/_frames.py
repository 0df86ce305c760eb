"""A run's measurements, reduced once to the frames that tables and figures are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from cortexscope.records import Manifest
from cortexscope.report._findings import Findings
from cortexscope.report._labels import plain
from cortexscope.report._stacks import in_order
from cortexscope.store import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunFrames", "read_frames"]

_PROMPT = ["model", "task", "prompt_id", "n_tokens"]
_NOT_FINITE = "not a finite number"


@dataclass(frozen=True, slots=True, eq=False)
class RunFrames:
    """What a report needs of a run; a value is NaN where it is undefined."""

    manifest: Manifest
    models: pd.DataFrame
    """`models.parquet`, in the order given."""
    prompts: pd.DataFrame
    """`prompts.parquet`."""
    tasks: tuple[str, ...]
    """In the order of the suite."""
    metrics: tuple[str, ...]
    """Those with a measurement, defined or not, in the order of the manifest."""
    stack_names: Mapping[str, tuple[str, ...]]
    """The stacks with a measurement of each model: encoder, decoder, cross. The first is primary:
    it reads the prompt, and stands for the model where there is room for one."""
    stacks: pd.DataFrame
    """A prompt's value of a metric in a stack, its mean over layers and heads: model, stack, task,
    prompt_id, n_tokens (of the stack's input), metric, value."""
    values: pd.DataFrame
    """Those of `stacks` that are of the model's primary stack."""
    layers: pd.DataFrame
    """The same a layer, its mean over heads: model, stack, prompt_id, metric, layer, depth (the
    layer as a share of the stack's last), value."""
    experts: pd.DataFrame
    """The mean over prompts of metrics with a further index: model, stack, metric, layer, index,
    value."""
    common: pd.DataFrame
    """The most frequent value of metrics whose values are labels, over prompts, layers and heads:
    model, stack, metric, value (the lowest of several), share, prompts (with a value), undefined.
    In all frames of means they are NaN."""
    wholes: pd.DataFrame
    """Values over all prompts together, or over sequences made for the purpose, their mean over
    layers, heads and pairs: model, stack, metric, value."""
    cells: pd.DataFrame
    """Every planned (model, task), in order: model, task, inputs (prompts read), tokens (their mean
    length), and a column a metric with the mean over prompts, in the model's primary stack."""
    missing: pd.DataFrame
    """What is undefined and why: model, stack, metric, reason, values, of (all values), prompts."""
    findings: Findings
    """The run's statistics."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The models' labels, in the order given."""
        return tuple(str(label) for label in self.models["model"])

    def slot(self, model: str) -> int:
        """Return a model's place, which decides its colour in every figure."""
        return self.labels.index(model)

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
        return _primary(frame, self.stack_names)

    @property
    def primary_missing(self) -> pd.DataFrame:
        """Those of `missing` that are of the model's primary stack."""
        return self.primary(self.missing)


def read_frames(run: Run) -> RunFrames:
    """Return the frames of a run, finished or not.

    Rows over one whole task are in no frame but `missing`, and metrics with a further index besides
    only in `experts`.

    Raises:
        CorruptRunError: if a file of the run is missing or damaged.
    """
    measured = _finite(run.measurements_table())
    table = _without_labels(measured, run.manifest)
    models, prompts = run.models(), run.prompts()
    prompted = table.filter(pc.is_valid(table["prompt_id"]))
    indexed = pc.is_in(prompted["metric"], pa.array(_with_index(table, run.manifest), pa.string()))
    by_layer = _sums(prompted.filter(pc.invert(indexed)), [*_PROMPT, "metric", "stack", "layer"])
    by_prompt = by_layer.groupby(
        [*_PROMPT, "metric", "stack"], sort=False, dropna=False, as_index=False
    )[["sum", "count"]].sum()
    by_prompt = _means(by_prompt)
    stack_names = _stack_names(table)
    values = _primary(by_prompt, stack_names)
    found = {str(name) for name in table["metric"].unique().to_pylist()}
    metrics = tuple(name for name in run.manifest.metrics if name in found)
    metrics += tuple(sorted(found - set(metrics)))
    seen = [str(task) for task in values["task"].dropna().unique()]
    tasks = tuple(dict.fromkeys([*run.manifest.suite.tasks, *seen]))
    labels = [str(label) for label in models["model"]]
    return RunFrames(
        manifest=run.manifest,
        models=models,
        prompts=prompts,
        tasks=tasks,
        metrics=metrics,
        stack_names=stack_names,
        stacks=by_prompt,
        values=values,
        layers=_with_depth(by_layer),
        experts=_experts(prompted.filter(indexed)),
        common=_common(measured, run.manifest),
        wholes=_wholes(table),
        cells=_cells(values, labels, tasks, metrics),
        missing=_missing(measured),
        findings=Findings(run),
    )


def _with_index(table: pa.Table, manifest: Manifest) -> list[str]:
    """Return the metrics that have a further index, in a spec or in a row."""
    specs = manifest.metrics.items()
    named = {name for name, spec in specs if not {"layer", "head"}.issuperset(spec.axes)}
    rows = table.filter(pc.is_valid(table["index"]))
    return sorted(named | set(rows["metric"].unique().to_pylist()))


def _is_label(table: pa.Table, manifest: Manifest) -> pa.ChunkedArray:
    names = [name for name, spec in manifest.metrics.items() if spec.scale == "label"]
    return pc.is_in(table["metric"], pa.array(names, pa.string()))


def _without_labels(table: pa.Table, manifest: Manifest) -> pa.Table:
    value = pc.if_else(_is_label(table, manifest), pa.scalar(None, pa.float64()), table["value"])
    return table.set_column(table.schema.get_field_index("value"), "value", value)


def _common(table: pa.Table, manifest: Manifest) -> pd.DataFrame:
    import pandas as pd

    keys = ["model", "stack", "metric"]
    kept = table.filter(pc.and_(_is_label(table, manifest), pc.is_valid(table["prompt_id"])))
    rows = []
    for key, own in _frame(kept.select([*keys, "prompt_id", "value"])).groupby(keys, sort=False):
        known = own.dropna(subset=["value"])
        counts = known["value"].value_counts().sort_index()
        first = (counts.idxmax(), counts.max() / len(known)) if len(known) else (None, None)
        prompts = known["prompt_id"].nunique()
        rows.append((*key, *first, prompts, own["prompt_id"].nunique() - prompts))
    return pd.DataFrame(rows, columns=[*keys, "value", "share", "prompts", "undefined"])


def _stack_names(table: pa.Table) -> dict[str, tuple[str, ...]]:
    pairs = _frame(table.group_by(["model", "stack"], use_threads=False).aggregate([]))
    return {str(model): in_order(own) for model, own in pairs.groupby("model")["stack"]}


def _primary(frame: pd.DataFrame, stack_names: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    first = {model: names[0] for model, names in stack_names.items()}
    return frame[frame["stack"] == frame["model"].map(first)]


def _experts(table: pa.Table) -> pd.DataFrame:
    known = table.filter(pc.and_(pc.is_valid(table["layer"]), pc.is_valid(table["index"])))
    return _means(_sums(known, ["model", "stack", "metric", "layer", "index"]))


def _wholes(table: pa.Table) -> pd.DataFrame:
    whole = pc.and_(pc.is_null(table["prompt_id"]), pc.is_null(table["task"]))
    return _means(_sums(table.filter(whole), ["model", "stack", "metric"]))


def _finite(table: pa.Table) -> pa.Table:
    value = table["value"]
    wrong = pc.fill_null(pc.invert(pc.is_finite(value)), False)
    for name, column in (
        ("value", pc.if_else(wrong, pa.scalar(None, pa.float64()), value)),
        ("reason", pc.if_else(wrong, _NOT_FINITE, table["reason"])),
    ):
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def _frame(table: pa.Table) -> pd.DataFrame:
    import pandas as pd

    nullable = {pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame


def _sums(table: pa.Table, keys: list[str]) -> pd.DataFrame:
    # One thread keeps the order of rows and of additions, so that a report is repeatable.
    sums = table.group_by(keys, use_threads=False).aggregate([("value", "sum"), ("value", "count")])
    return _frame(sums).rename(columns={"value_sum": "sum", "value_count": "count"})


def _means(frame: pd.DataFrame) -> pd.DataFrame:
    value = frame["sum"].where(frame["count"] > 0) / frame["count"].where(frame["count"] > 0)
    return frame.drop(columns=["sum", "count"]).assign(value=value.astype("float64"))


def _with_depth(by_layer: pd.DataFrame) -> pd.DataFrame:
    layers = _means(by_layer[by_layer["layer"].notna()])
    layers = layers.assign(layer=layers["layer"].astype("int64"))
    last = layers.groupby(["model", "stack"])["layer"].transform("max")
    return layers.assign(depth=layers["layer"] / last.where(last > 0, 1))


def _cells(
    values: pd.DataFrame, models: list[str], tasks: tuple[str, ...], metrics: tuple[str, ...]
) -> pd.DataFrame:
    import pandas as pd

    index = pd.MultiIndex.from_product([models, list(tasks)], names=["model", "task"])
    read = values.drop_duplicates(["model", "task", "prompt_id"]).groupby(["model", "task"])
    means = values.groupby(["model", "task", "metric"])["value"].mean().unstack("metric")
    inputs = read["prompt_id"].nunique().reindex(index).fillna(0).astype("int64")
    tokens = read["n_tokens"].mean().reindex(index).astype("float64")
    columns: dict[str, Any] = {"inputs": inputs, "tokens": tokens}
    for metric in metrics:
        column = means[metric] if metric in means else pd.Series(dtype="float64")
        columns[metric] = column.reindex(index).astype("float64")
    return pd.DataFrame(columns, index=index).reset_index()


def _missing(table: pa.Table) -> pd.DataFrame:
    keys = ["model", "stack", "metric"]
    total = _frame(table.group_by(keys, use_threads=False).aggregate([([], "count_all")]))
    undefined = table.filter(pc.is_null(table["value"]))
    counts = _frame(
        undefined.group_by([*keys, "reason"], use_threads=False).aggregate(
            [([], "count_all"), ("prompt_id", "count_distinct")]
        )
    ).rename(columns={"count_all": "values", "prompt_id_count_distinct": "prompts"})
    missing = counts.merge(total.rename(columns={"count_all": "of"}), on=keys, how="left")
    return missing.assign(reason=missing["reason"].fillna("no reason given"))
