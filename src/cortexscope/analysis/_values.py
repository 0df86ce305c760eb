"""The values of a run, one a prompt and model, as the statistics take them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cortexscope.errors import UsageError
from cortexscope.store import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KINDS", "head_values", "metrics_with_values", "prompt_values", "without_controls"]

KINDS = ("original", "paraphrase", "shuffled", "random")
"""What the column `kind` holds: a prompt of the suite, or how it was made from one."""

_KEYS = ["model", "metric", "task", "prompt_id"]


def metrics_with_values(run: Run, *, metrics: Collection[str] | None = None) -> tuple[str, ...]:
    """Return the metrics of a run that have one number a prompt, in the run's order.

    Those of whole tasks and of generated sequences have none, those with a further index, such as
    position bins or experts, have many, and a label is no number.

    Args:
        run: finished or not.
        metrics: only these, all where None.
    """
    return tuple(
        name
        for name, spec in run.manifest.metrics.items()
        if spec.replication == "prompt"
        and spec.scale == "number"
        and spec.index is None
        and (metrics is None or name in metrics)
    )


def prompt_values(run: Run, metrics: Sequence[str]) -> pd.DataFrame:
    """Return a value of each metric for each model and prompt: the mean over layers and heads.

    Of a model of several stacks, the first counts. Undefined values of layers and heads are left
    out of the mean; where all are undefined, so is the value (NaN).

    Args:
        run: finished or not.
        metrics: of `metrics_with_values`.

    Returns:
        Columns metric, model, task, prompt_id, cluster, kind (of `KINDS`), n_tokens, lowest and
        highest (that a value of the metric can be, NaN where unbounded), value; in the order of
        metrics, models and prompts.

    Raises:
        UsageError: if the run holds no value of any of them.
    """
    table = _primary(run.measurements_table(metrics=metrics, controls=True))
    if table.num_rows == 0:
        raise UsageError(f"{run.path} holds no values of prompts; let a run measure some.")
    # One thread keeps the order of additions, so that statistics are repeatable.
    sums = table.group_by(_KEYS, use_threads=False).aggregate(
        [("value", "sum"), ("value", "count"), ("n_tokens", "max")]
    )
    frame = sums.to_pandas()
    counts = frame.pop("value_count")
    frame["value"] = frame.pop("value_sum").where(counts > 0) / counts.where(counts > 0)
    frame = frame.rename(columns={"n_tokens_max": "n_tokens"})
    return _with_prompts(frame, run, metrics)


def head_values(run: Run, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the values of metrics for each model, prompt, layer and head.

    Returns:
        Columns as of `prompt_values`, and layer and head; `head` is -1 where a metric has none.
    """
    table = _primary(run.measurements_table(metrics=metrics, controls=True))
    table = table.filter(pc.is_valid(table["layer"]))
    frame = table.select([*_KEYS, "n_tokens", "layer", "head", "value"]).to_pandas()
    frame["head"] = frame["head"].fillna(-1).astype("int64")
    frame["layer"] = frame["layer"].astype("int64")
    return _with_prompts(frame, run, metrics)


def without_controls(values: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of prompts and their paraphrases; shuffled words and random tokens go."""
    return values[values["kind"].isin(["original", "paraphrase"])]


def _primary(table: pa.Table) -> pa.Table:
    """Return finite values of prompts, of each model's first stack."""
    finite = pc.if_else(pc.is_finite(table["value"]), table["value"], pa.scalar(None, pa.float64()))
    table = table.set_column(table.schema.get_field_index("value"), "value", finite)
    table = table.filter(pc.is_valid(table["prompt_id"]))
    pairs = table.group_by(["model", "stack"], use_threads=False).aggregate([]).to_pylist()
    first: dict[str, str] = {}
    for stack in ("cross", "decoder", "encoder"):
        first |= {row["model"]: stack for row in pairs if row["stack"] == stack}
    chosen = pa.array([f"{model}\0{stack}" for model, stack in first.items()], pa.string())
    joined = pc.binary_join_element_wise(table["model"], table["stack"], "\0")
    return table.filter(pc.is_in(joined, chosen))


def _with_prompts(frame: pd.DataFrame, run: Run, metrics: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    prompts = run.prompts()
    known = set(prompts["prompt_id"])
    facts = pd.DataFrame(
        {
            "prompt_id": prompts["prompt_id"],
            # A paraphrase whose source was not read is a prompt of its own.
            "cluster": prompts["origin"].where(prompts["origin"].isin(known), prompts["prompt_id"]),
            "kind": prompts["control"]
            .where(prompts["origin"].isin(known))
            .astype(object)
            .fillna("original"),
            "place": range(len(prompts)),
        }
    )
    labels = [info.model for info in run.manifest.models]
    order = frame.merge(facts, on="prompt_id", how="left").assign(
        metric_place=lambda found: found["metric"].map(list(metrics).index),
        model_place=lambda found: found["model"].map(labels.index),
    )
    order = order.sort_values(["metric_place", "model_place", "place"], kind="stable")
    specs = run.manifest.metrics
    for place, name in enumerate(("lowest", "highest")):
        ends = {metric: specs[metric].bounds[place] for metric in metrics}
        order[name] = order["metric"].map(ends).astype("float64")
    columns = [*_KEYS, "cluster", "kind", "n_tokens", "lowest", "highest"]
    more = [name for name in ("layer", "head") if name in order]
    return order[[*columns, *more, "value"]].reset_index(drop=True)
