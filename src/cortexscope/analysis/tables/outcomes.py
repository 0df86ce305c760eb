"""Which metrics and layers tell right answers from wrong ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.analysis._values import clusters_of
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import outcome_predictors

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["ALL_TASKS", "Outcomes", "in_words"]

ALL_TASKS = "all tasks"
"""What stands for the task where prompts of every task are compared, each with those of its own."""

STATES = "states"
"""What stands for the metric where a layer's mean states are told by a probe."""

_SURPRISAL = ("surprisal", "pseudo_log_likelihood")
"""What says how unlikely a prompt is, of decoders and of encoders."""


_MEASURE = (
    "run with --metric default --metric surprisal (of an encoder, pseudo_log_likelihood) to have it"
)


class _Predictor(NamedTuple):
    metric: str
    layer: int | None
    values: NDArray[np.float64]
    """[prompt] or [prompt, feature]."""


class Outcomes(Step):
    """A row a model, task and predictor, as `stats.outcome_predictors` has them.

    Predictors are each metric (`layer` is null), each of its layers, and the mean states of each
    layer, whose metric is `states`. Rows with a `baseline` are of what needs no look inside.
    """

    name = "outcomes"
    holds = "which metrics and layers tell right answers from wrong ones"
    of_vectors = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model, task and predictor."""
        import pandas as pd

        told = of.measured.outcomes()
        parts = []
        for model in of.measured.labels if of.groups.column is None else ():
            outcomes = told[told["model"] == model].set_index("prompt_id")["outcome"]
            prompts = _prompts(of, model, outcomes)
            if prompts.empty:
                continue
            of.note(f"{model}: what tells right answers from wrong ones")
            predictors = list(_predictors(of, model, prompts))
            for task in (ALL_TASKS, *_several(prompts)):
                parts.append(_of_task(of, model, task, prompts, predictors))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def concerns(self, of: Analysis) -> bool:
        """Return whether outcomes were told."""
        return of.measured.has_outcomes

    def absent(self, of: Analysis) -> str:
        """Return why there are no outcomes."""
        if of.groups.column is not None:
            return "outcomes are told of tasks alone"
        return (
            "the run was not told what came of the answers; `cortexscope outcomes RUN FILE` tells "
            "it"
        )

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield what tells answers apart, and by how much it beats length and surprisal."""
        table = of.table(self.name)
        for (model, task), own in table.groupby(["model", "task"], sort=False):
            sentence = _sentence(own)
            # Of tasks that hold nothing, the table says why.
            if task == ALL_TASKS or own["beats"].fillna(value=False).any():
                yield f"{model}, {task}: {sentence}"


def in_words(row: Mapping[Any, Any]) -> str:
    """Return a predictor's name in a sentence."""
    layer = row["layer"]
    return str(row["metric"]) if layer != layer else f"{row['metric']} at layer {int(layer)}"


def _sentence(own: pd.DataFrame) -> str:
    inside = own[own["baseline"].isna()]
    tested = inside[inside["p_max_t"].notna()]
    if tested.empty or tested["beats"].isna().all():
        reasons = inside["reason"].dropna()
        why = reasons.iloc[0] if len(reasons) else "nothing varies"
        lacks = "surprisal" not in set(own["baseline"].dropna()) and own["auc"].notna().any()
        advice = f"; {_MEASURE}" if lacks else ""
        return f"nothing can be told: {why}{advice}."
    best = tested.sort_values("auc", kind="stable").to_dict("records")[-1]
    against = f"{best['against']} ({best['against_auc']:.3f})"
    winners = tested[tested["beats"].fillna(value=False)]
    if winners.empty:
        return (
            f"none of {len(tested)} metrics and layers tells right answers from wrong ones better "
            f"than {against}; the highest, {in_words(best)}, has an AUC of {best['auc']:.3f} "
            f"[{best['low']:.3f}, {best['high']:.3f}]."
        )
    top = winners.sort_values("auc", kind="stable").to_dict("records")[-1]
    rho = top["spearman"]
    way = "" if rho != rho else f", {'higher' if rho > 0 else 'lower'} where right"
    return (
        f"{len(winners)} of {len(tested)} metrics and layers tell right answers from wrong ones "
        f"better than {against}; foremost {in_words(top)}, AUC {top['auc']:.3f} "
        f"[{top['low']:.3f}, {top['high']:.3f}]{way}."
    )


def _prompts(of: Analysis, model: str, outcomes: pd.Series[float]) -> pd.DataFrame:
    """Return the model's prompts that have an outcome: task, cluster, n_tokens, outcome, by id."""
    values = of.read[of.read["model"] == model].drop_duplicates("prompt_id")
    values = values.set_index(values["prompt_id"].astype(str))
    found = values[["task", "n_tokens"]].astype({"task": str})
    found = found.assign(
        cluster=clusters_of(of.measured).reindex(found.index).to_numpy(),
        outcome=outcomes.reindex(found.index).to_numpy(),
    )
    return found[found["outcome"].notna()]


def _several(prompts: pd.DataFrame) -> list[str]:
    tasks = list(dict.fromkeys(prompts["task"]))
    return tasks if len(tasks) > 1 else []


def _predictors(of: Analysis, model: str, prompts: pd.DataFrame) -> Iterator[_Predictor]:
    """Yield each metric, each of its layers, and the states of each layer."""
    own = of.read[of.read["model"] == model]
    for metric, layer, values in _columns(own.assign(layer=np.nan), of, prompts):
        yield _Predictor(metric, layer, values)
    layers = of.measured.primary(of.measured.by_layer(of.metrics))
    for metric, layer, values in _columns(layers[layers["model"] == model], of, prompts):
        yield _Predictor(metric, layer, values)
    states = next((one for one in of.states if one.model == model), None)
    if states is not None:
        places = states.prompts.reset_index(drop=True).reset_index().set_index("prompt_id")["index"]
        rows = places.reindex(prompts.index)
        known = rows.notna().to_numpy()
        for layer, vectors in zip(states.layers, states.vectors, strict=True):
            values = np.full((len(prompts), vectors.shape[1]), np.nan)
            values[known] = vectors[rows[known].to_numpy(dtype=np.intp)]
            yield _Predictor(STATES, layer, values)


def _columns(
    frame: pd.DataFrame, of: Analysis, prompts: pd.DataFrame
) -> Iterator[tuple[str, int | None, NDArray[np.float64]]]:
    frame = frame.assign(prompt_id=frame["prompt_id"].astype(str))
    keys = frame[["metric", "layer"]].astype({"metric": str})
    for metric in of.metrics:
        own = frame[(keys["metric"] == metric).to_numpy()]
        for layer in np.unique(own["layer"].to_numpy(dtype=np.float64)):
            rows = own[own["layer"].isna() if np.isnan(layer) else own["layer"] == layer]
            values = rows.set_index("prompt_id")["value"].reindex(prompts.index)
            number = None if np.isnan(layer) else int(layer)
            yield metric, number, values.to_numpy(dtype=np.float64, na_value=np.nan)


def _surprisal(of: Analysis, model: str, prompts: pd.DataFrame) -> NDArray[np.float64] | None:
    for metric in _SURPRISAL:
        if metric in of.measured.specs:
            found = of.measured.primary(of.measured.by_prompt([metric]))
            values = found[found["model"] == model].set_index("prompt_id")["value"]
            own = values.reindex(prompts.index).to_numpy(dtype=np.float64, na_value=np.nan)
            if np.isfinite(own).any():
                return np.asarray(own)
    return None


def _of_task(
    of: Analysis, model: str, task: str, prompts: pd.DataFrame, predictors: list[_Predictor]
) -> pd.DataFrame:
    chosen = np.ones(len(prompts), dtype=bool)
    if task != ALL_TASKS:
        chosen = (prompts["task"] == task).to_numpy()
    own = prompts[chosen]
    surprisal = _surprisal(of, model, own)
    table = outcome_predictors(
        [one.values[chosen] for one in predictors],
        own["outcome"],
        tasks=own["task"],
        clusters=own["cluster"],
        n_tokens=own["n_tokens"],
        surprisal=surprisal,
        rng=of.stream("outcomes", model, task),
        permutations=of.settings.permutations,
    )
    plain = len(table) - len(predictors)
    table.insert(0, "layer", [np.nan] * plain + [one.layer for one in predictors])
    table.insert(0, "metric", [None] * plain + [one.metric for one in predictors])
    table.insert(0, "task", task)
    table.insert(0, "model", model)
    return table.assign(prompts=len(own), mean_outcome=own["outcome"].mean())
