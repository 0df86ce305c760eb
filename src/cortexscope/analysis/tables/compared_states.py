"""How far the states of models lie from those of the one that they are compared with, by layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cortexscope.analysis._vectors import NO_STATES, Vectors
from cortexscope.analysis.tables._compared import ComparedStep, Pair, estimated
from cortexscope.records import in_order
from cortexscope.stats import Bounds, distance_correlation, linear_cka, procrustes_distance

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["ComparedStates", "onset"]

Floats = NDArray[np.float64]

_MEASURES = ("distance", "distance_rest", "cosine", "cosine_rest")
_FEW = "there are fewer than five prompts, or all have the same state"
_NOISE = "the base in bfloat16 is read beside it alone, and keeps no states"
_FILE = "of the base no states were kept"


class ComparedStates(ComparedStep):
    """A row a pair of models, stack and layer of the base.

    `distance` is the length of the difference of two states as a share of the base's, `cosine` that
    of the two, means over tokens and then prompts, with intervals over prompts; `_rest` without
    each prompt's first token, which is often many times as large. They are there where one model
    stems from the other. `cka` (debiased), `rsa` (Spearman's correlation of the distances between
    prompts) and `procrustes` (a distance) compare the prompts' mean states over tokens after the
    first, for any widths, with the layer `other_layer`: the same number, or at the same share of
    the depth where depths differ. They are made of all prompts together and have no interval.
    """

    name = "compared_states"
    holds = "how far states lie from those of the model compared with, layer by layer"
    of_vectors = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a pair, stack and layer."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for pair in self.pairs(of):
            shapes, why = _shapes(of, pair)
            drifts = {
                (str(stack), int(str(layer))): own
                for (stack, layer), own in pair.drifts.groupby(["stack", "layer"], sort=False)
            }
            stacks = in_order({stack for stack, _ in (*drifts, *shapes)})
            places = [
                (stack, layer)
                for stack in stacks
                for layer in sorted({n for own, n in (*drifts, *shapes) if own == stack})
            ]
            unread = "; ".join(pair.predictions["drift_reason"].dropna().unique())
            for place in places:
                known = drifts.get(place)
                rng = of.stream(self.name, pair.base, pair.model, *map(str, place))
                row = {**pair.names, "stack": place[0], "layer": place[1]}
                row |= _drift(known, rng)
                row |= shapes.get(place, _NO_SHAPE)
                row["reason"] = unread or None if known is None else None
                alike = place in shapes and row["cka"] == row["cka"]
                row["shape_reason"] = None if alike else why or _FEW
                rows.append(row)
        return pd.DataFrame(rows)

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield from which layer on each model's states lie apart."""
        table = of.table(self.name)
        for (base, model), own in table.groupby(["base", "model"], sort=False):
            known = own[own["distance"].notna()]
            if known.empty or own["noise"].any():
                continue
            first = onset(own)
            if first is None:
                yield f"{model} has the states of {base} in every layer."
            else:
                last = known.iloc[-1]
                yield (
                    f"{model} differs from {base} from layer {first} on; in the last one, by "
                    f"{100 * last['distance']:.3g} % of the state's length."
                )


def onset(layers: pd.DataFrame) -> int | None:
    """Return the first layer whose states differ at all; None where none does.

    Args:
        layers: of one pair and the stack that runs first, as `ComparedStates` has them.
    """
    apart = layers.loc[layers["distance"] > 0, "layer"]
    return int(apart.iloc[0]) if len(apart) else None


_NO_SHAPE = {"other_layer": None, "shape_prompts": 0} | dict.fromkeys(
    ("cka", "rsa", "procrustes"), np.nan
)


def _drift(known: pd.DataFrame | None, rng: np.random.Generator) -> dict[str, Any]:
    cells: dict[str, Any] = {"prompts": 0 if known is None else known["cluster"].nunique()}
    for name in _MEASURES:
        values = np.array([])
        if known is not None:
            values = known[name].to_numpy(dtype=np.float64, na_value=np.nan)
        bounds: Bounds = (0, None) if name.startswith("distance") else (None, None)
        clusters = np.array([]) if known is None else known["cluster"].to_numpy()
        cells |= estimated(name, values, clusters, rng=rng, bounds=bounds)
    return cells


def _shapes(of: Analysis, pair: Pair) -> tuple[dict[tuple[str, int], dict[str, Any]], str | None]:
    """Return how alike the layers of two models see the prompts; and why they are not compared."""
    if pair.noise:
        return {}, _NOISE
    if pair.base not in of.measured.labels:
        return {}, _FILE
    known = {own.model: own for own in of.states}
    if pair.base not in known or pair.model not in known:
        return {}, NO_STATES
    ours, theirs = known[pair.base], known[pair.model]
    shared = [name for name in ours.prompts["prompt_id"] if name in {*theirs.prompts["prompt_id"]}]
    stack = of.measured.stacks[pair.base][0]
    one, two = (_units(own, shared) for own in (ours, theirs))
    found = {}
    for number, layer in enumerate(ours.layers):
        other = number
        if len(ours.layers) != len(theirs.layers):
            other = round(number * (len(theirs.layers) - 1) / max(len(ours.layers) - 1, 1))
        usable = np.isfinite(one[number]).all(axis=1) & np.isfinite(two[other]).all(axis=1)
        x, y = one[number][usable], two[other][usable]
        found[stack, layer] = {
            "other_layer": theirs.layers[other],
            "shape_prompts": len(x),
            "cka": float(linear_cka([[x], [y]])[0, 0]),
            "rsa": distance_correlation(x, y) if len(x) else np.nan,
            "procrustes": procrustes_distance(x, y),
        }
    return found, None


def _units(of: Vectors, prompts: list[str]) -> list[Floats]:
    """Return the vectors of prompts, the mean over each and its paraphrases, a layer each."""
    rows = of.prompts.reset_index(drop=True).set_index("prompt_id")
    place = np.array([rows.index.get_loc(name) for name in prompts], dtype=np.intp)
    names, member = np.unique(rows["cluster"].to_numpy()[place], return_inverse=True)
    counts = np.bincount(member, minlength=len(names))[:, None]
    found = []
    for layer in of.vectors:
        sums = np.zeros((len(names), layer.shape[1]))
        np.add.at(sums, member, layer[place].astype(np.float64))
        found.append(sums / counts)
    return found
