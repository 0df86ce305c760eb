"""Which measure predicts what a part is needed for: metrics against measured effects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.analysis._verdict import CHANCE
from cortexscope.analysis.tables._lesions import Floats, LesionStep
from cortexscope.stats import RankAgreement, rank_agreement, step_down

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["DEPTH", "LesionMeasures"]

DEPTH = "layer"
"""The row of the layer's own number, which a measure must beat."""

_AXES = {
    "layers": ("layer",),
    "attention": ("layer",),
    "mlp": ("layer",),
    "heads": ("layer", "head"),
    "experts": ("layer", "expert"),
}
"""Where a metric must have values to be held against the effects of a kind of part."""


class _Effects(NamedTuple):
    """The effects of parts that metrics are held against."""

    model: str
    kind: str
    effect: str
    """`surprisal` (of bits per byte), `kl`, or `estimate` (of all heads)."""
    parts: pd.DataFrame
    ids: NDArray[np.str_]
    clusters: NDArray[np.str_]
    values: Floats
    """[prompt, part]"""


class LesionMeasures(LesionStep):
    """A row a model, kind of part, effect and metric that has values of such parts.

    `rho` is Spearman's correlation, over parts, of the metric's mean over prompts with the mean
    effect of taking the part out, and its interval over prompts. `p` is that of shuffled parts,
    `p_max_t` the same allowing for the number of metrics. `beside_depth` is the correlation that is
    left where ranks of the layer's number are taken out of both. The metric `layer` is that number:
    a measure which predicts less than it tells nothing that depth does not. Neighbouring layers are
    alike, so that p is too small rather than too large.

    The effect is `surprisal` (the change of bits per byte), `kl`, and of heads `estimate`, since
    all of them have that.
    """

    name = "lesion_measures"
    holds = "which metric predicts what a part is needed for, over layers, heads and experts"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model, kind, effect and metric."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for own in _effects(of, self):
            of.note(f"{own.model}: which metric predicts what its {own.kind} are needed for")
            rows += self._rows(of, own)
        return pd.DataFrame(rows)

    def _rows(self, of: Analysis, own: _Effects) -> list[dict[str, Any]]:
        rng = of.stream(self.name, own.model, own.kind, own.effect)
        keys = rng.random((of.settings.permutations, len(own.parts)))
        depth = own.parts["layer"].to_numpy(dtype=np.float64)
        columns: dict[str, Floats] = {DEPTH: depth}
        for metric in _metrics(of, own.kind):
            values = _values(of, own, metric)
            if np.isfinite(values).any():
                columns[metric] = values
        found: dict[str, RankAgreement] = {}
        beside: dict[str, float] = {}
        with_depth = rank_agreement(depth, own.values, own.clusters, rng=rng, resamples=1)
        for metric, values in columns.items():
            found[metric] = rank_agreement(
                values,
                own.values,
                own.clusters,
                rng=of.stream(self.name, own.model, own.kind, own.effect, metric),
                resamples=of.settings.resamples,
                keys=keys,
            )
            along = rank_agreement(values, depth, own.clusters, rng=rng, resamples=1)
            beside[metric] = _partial(*(x.rho.value for x in (found[metric], along, with_depth)))
        tested = [name for name in found if name != DEPTH and len(found[name].permuted)]
        p = dict.fromkeys(found, np.nan)
        adjusted = dict.fromkeys(found, np.nan)
        if tested:
            every = step_down(np.stack([found[name].permuted for name in tested], axis=1))
            p |= dict(zip(tested, every[0].tolist(), strict=True))
            adjusted |= dict(zip(tested, every[1].tolist(), strict=True))
        return [
            {
                "model": own.model,
                "kind": own.kind,
                "effect": own.effect,
                "metric": metric,
                "rho": np.nan if one.rho.value is None else one.rho.value,
                "low": np.nan if one.rho.low is None else one.rho.low,
                "high": np.nan if one.rho.high is None else one.rho.high,
                "beside_depth": np.nan if metric == DEPTH else beside[metric],
                "p": p[metric],
                "p_max_t": adjusted[metric],
                "parts": one.rho.n,
                "prompts": one.prompts,
                "metrics": len(tested),
                "reason": one.rho.reason,
            }
            for metric, one in found.items()
        ]

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield of each kind of part which metrics predict its effects."""
        table = of.table(self.name)
        table = table[table["metric"] != DEPTH]
        for (model, kind, effect), own in table.groupby(["model", "kind", "effect"], sort=False):
            clear = own[own["p_max_t"] <= CHANCE]
            ordered = clear.reindex(clear["rho"].abs().sort_values(ascending=False).index)
            named = ", ".join(
                f"{row['metric']} ({row['rho']:+.2f})" for row in ordered.head(3).to_dict("records")
            )
            yield (
                f"{model}, {kind}, {effect}: {len(clear)} of {len(own)} metrics predict what parts "
                f"are needed for (max-T, 5 %){': ' + named if named else ''}."
            )


def _effects(of: Analysis, step: LesionStep) -> Iterator[_Effects]:
    """Yield the effects of each model and kind: true ones, and of heads the estimated ones."""
    for own in step.lesioned(of):
        if own.reason is None and own.kind in ("layers", "attention", "mlp", "experts"):
            for effect in ("surprisal", "kl"):
                yield _Effects(
                    own.model, own.kind, effect, own.parts, own.prompts.ids, own.prompts.clusters,
                    own.effect(effect),
                )  # fmt: skip
    for one in step.estimated(of):
        if one.kind == "heads" and np.isfinite(one.surprisal).any():
            yield _Effects(
                one.model, one.kind, "estimate", one.parts, one.prompts.ids, one.prompts.clusters,
                one.surprisal,
            )  # fmt: skip


def _metrics(of: Analysis, kind: str) -> list[str]:
    """Return the metrics that have values where a kind of part is, a number a prompt each."""
    axes = _AXES[kind]
    return [
        name
        for name, spec in of.measured.specs.items()
        if spec.replication == "prompt"
        and spec.scale == "number"
        and spec.axes[: len(axes)] == axes
        and (spec.index is None or kind == "experts")
    ]


def _values(of: Analysis, own: _Effects, metric: str) -> Floats:
    """Return a metric's values at the parts, [prompt, part]; NaN where it has none."""
    frame = _read(of, own.kind, metric)
    frame = frame[frame["model"] == own.model]
    column = {"heads": "head", "experts": "index"}.get(own.kind)
    parts = own.parts[["stack", "layer", "index"]].fillna({"index": -1})
    place = {
        (str(stack), int(layer), int(index)): number
        for number, (stack, layer, index) in enumerate(parts.itertuples(index=False))
    }
    prompt = {str(name): number for number, name in enumerate(own.ids)}
    rows = frame["prompt_id"].astype(str).map(prompt).to_numpy(dtype=np.float64)
    units = np.full(len(frame), -1) if column is None else frame[column].to_numpy()
    where = zip(frame["stack"].astype(str), frame["layer"], units, strict=True)
    columns = np.array([place.get((s, int(n), int(u)), -1) for s, n, u in where], dtype=np.intp)
    known = np.isfinite(rows) & (columns >= 0)
    values = np.full(own.values.shape, np.nan)
    numbers = frame["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    values[rows[known].astype(np.intp), columns[known]] = numbers[known]
    return values


def _read(of: Analysis, kind: str, metric: str) -> pd.DataFrame:
    if kind == "heads":
        return of.once(("by_head", metric), lambda: of.measured.by_head([metric]))
    if kind == "experts":
        return of.once(("by_expert", metric), lambda: of.measured.by_prompt_and_index([metric]))
    return of.once(("by_layer", metric), lambda: of.measured.by_layer([metric]))


def _partial(both: float | None, first: float | None, second: float | None) -> float:
    """Return the correlation of two quantities that a third leaves, from all three's."""
    if both is None or first is None or second is None:
        return np.nan
    rest = (1 - first**2) * (1 - second**2)
    return float((both - first * second) / np.sqrt(rest)) if rest > 1e-12 else np.nan
