"""The values of a run, one a prompt and model, as the statistics take them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from cortexscope.store import Measurements

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "KINDS",
    "as_texts",
    "clusters_of",
    "coded_values",
    "head_values",
    "in_order",
    "metrics_with_values",
    "prompt_values",
    "without_controls",
]

KINDS = ("original", "paraphrase", "shuffled", "random")
"""What the column `kind` holds: a prompt of the suite, or how it was made from one."""

_KEYS = ["model", "metric", "task", "prompt_id"]


def metrics_with_values(
    measured: Measurements, *, metrics: Collection[str] | None = None
) -> tuple[str, ...]:
    """Return the metrics that have one number a prompt, in the order they were asked for.

    Those of whole tasks and of generated sequences have none, those with a further index, such as
    position bins or experts, have many, and a label is no number.

    Args:
        measured: of a run or several.
        metrics: only these, all where None.
    """
    return tuple(
        name
        for name, spec in measured.specs.items()
        if spec.replication == "prompt"
        and spec.scale == "number"
        and spec.index is None
        and (metrics is None or name in metrics)
    )


def prompt_values(measured: Measurements, metrics: Sequence[str]) -> pd.DataFrame:
    """Return a value of each metric for each model and prompt: the mean over layers and heads.

    Of a model of several stacks, the first that has the metric counts. Undefined values of layers
    and heads are left out of the mean; where all are undefined, so is the value (NaN).

    Args:
        measured: of a run or several.
        metrics: of `metrics_with_values`.

    Returns:
        Columns model, metric, task, prompt_id, cluster, kind (of `KINDS`), n_tokens, lowest and
        highest (that a value of the metric can be, NaN where unbounded), value; in the order of
        metrics, models and prompts.
    """
    return as_texts(coded_values(measured, metrics))


def coded_values(measured: Measurements, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the same with categories in the order of names for texts, which are slow of millions.

    Args:
        measured: of a run or several.
        metrics: of `metrics_with_values`.
    """
    frame = measured.primary(measured.by_prompt(metrics, controls=True))
    return _with_prompts(frame, measured, metrics)


def head_values(
    measured: Measurements, metrics: Sequence[str], *, models: Collection[str] | None = None
) -> pd.DataFrame:
    """Return the values of metrics for each model, prompt, layer and head.

    Args:
        measured: of a run or several.
        metrics: of `metrics_with_values`.
        models: only these, all where None.

    Returns:
        Columns as of `coded_values`, and layer and head; `head` is -1 where a metric has none.
    """
    frame = measured.primary(measured.by_head(metrics, models=models, controls=True))
    return _with_prompts(frame, measured, metrics)


def without_controls(values: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of prompts and their paraphrases; shuffled words and random tokens go."""
    return values[values["kind"].isin(["original", "paraphrase"])]


def as_texts(values: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a frame with texts in the place of its categories."""
    import pandas as pd

    kinds = values.dtypes.items()
    texts = {
        name: kind.categories.dtype for name, kind in kinds if isinstance(kind, pd.CategoricalDtype)
    }
    return values.astype(texts)


def in_order(values: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose categories are those that it has, in the order of names."""
    import pandas as pd

    found = {}
    for name, column in values.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            own = column.cat.remove_unused_categories()
            found[str(name)] = own.cat.reorder_categories(own.cat.categories.sort_values())
    return values.assign(**found)


def clusters_of(measured: Measurements) -> pd.Series[str]:
    """Return the cluster of each prompt and paraphrase, by its id; other controls have none."""
    cluster, kind = _origins(measured)
    cluster.index = measured.prompts["prompt_id"]
    return cluster[kind.isin(["original", "paraphrase"]).to_numpy()]


def _origins(measured: Measurements) -> tuple[pd.Series[str], pd.Series[str]]:
    """Return the cluster and the kind of every prompt, in their order."""
    prompts = measured.prompts
    known = prompts["origin"].isin(prompts["prompt_id"])
    # A paraphrase whose source was not read is a prompt of its own.
    cluster = prompts["origin"].where(known, prompts["prompt_id"])
    kind = prompts["control"].where(known).astype(object).fillna("original")
    return cluster, kind


def _with_prompts(
    frame: pd.DataFrame, measured: Measurements, metrics: Sequence[str]
) -> pd.DataFrame:
    """Return values with what is known of their prompts."""
    import numpy as np
    import pandas as pd

    prompts, (cluster, kind) = measured.prompts, _origins(measured)
    ends = np.array(
        [[np.nan if end is None else end for end in measured.specs[m].bounds] for m in metrics]
    ).reshape(-1, 2)
    # Numbers in place of texts, which are slow: places in what is the order of rows.
    metric, model, place = (
        pd.Index(names).get_indexer(pd.Index(frame[column]))
        for column, names in (
            ("metric", metrics), ("model", measured.labels), ("prompt_id", prompts["prompt_id"])
        )
    )  # fmt: skip
    order = np.lexsort([place, model, metric])
    metric, model, place = metric[order], model[order], place[order]
    lowest, highest = ends[metric].T
    words = {"task": prompts["task"], "prompt_id": prompts["prompt_id"]}
    words |= {"cluster": cluster, "kind": kind}
    more = [name for name in ("layer", "head") if name in frame]
    numbers = frame[["n_tokens", *more, "value"]].take(order).reset_index(drop=True)
    columns = {
        "model": _categories(pd.Index(measured.labels), model),
        "metric": _categories(pd.Index(metrics), metric),
        **{name: _categories(pd.Index(known), place) for name, known in words.items()},
    }
    found = pd.DataFrame(columns).join(numbers).assign(lowest=lowest, highest=highest)
    return found[[*_KEYS, "cluster", "kind", "n_tokens", "lowest", "highest", *more, "value"]]


def _categories(names: pd.Index[str], codes: NDArray[np.intp]) -> pd.Categorical[Any]:
    import pandas as pd

    words = names.unique().sort_values()
    return pd.Categorical.from_codes(words.get_indexer(names)[codes], words)
