"""Which layer tells the tasks apart, and how alike layers see the prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.analysis._scopes import stream
from cortexscope.stats import (
    probe_layers,
    representational_similarity,
    selective_features,
    silhouette_by_layer,
)
from cortexscope.store import LayerMeans, Measurements

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BEST", "NO_NEURONS", "NO_STATES", "layer_tables", "selective_neurons"]

BEST = "best layer"
"""The row of `probe_baselines` that is no baseline: the layer which other prompts chose."""

NO_STATES = (
    "the run kept no states; run again without --no-states to have probes, silhouettes and "
    "similarities of layers"
)

NO_NEURONS = "the run kept no neurons; run again with --keep-neurons to have selective ones"


@dataclass(frozen=True, slots=True, eq=False)
class _Vectors:
    """One model's vectors of the prompts of the suite, without controls but paraphrases."""

    vectors: tuple[np.ndarray, ...]
    layers: tuple[int, ...]
    prompts: pd.DataFrame
    """prompt_id, task, text, cluster, n_tokens: a row a prompt."""


def layer_tables(
    measured: Measurements,
    *,
    seed: int,
    permutations: int = 500,
    note: Callable[[str], None] = lambda _: None,
) -> Mapping[str, pd.DataFrame]:
    """Return tables of the layers of each model, made of each prompt's mean states.

    Args:
        measured: of runs with their states kept; all tables are empty without them.
        seed: of what is drawn.
        permutations: how many a p-value takes.
        note: told what comes next.

    Returns:
        `probes`, a row a model and layer; `probe_baselines`, what needs no model, and the layer
        that is best; `silhouettes`; `similarity` of layers, of one model and of each two.
    """
    import pandas as pd

    tables: dict[str, list[pd.DataFrame]] = {
        "probes": [], "probe_baselines": [], "silhouettes": [], "similarity": []
    }  # fmt: skip
    known = {
        label: _vectors_of(measured, label, measured.mean_states(label))
        for label in measured.labels
    }
    states = {model: own for model, own in known.items() if own is not None}
    for model, own in states.items():
        note(f"{model}: which layer tells the tasks apart")
        tasks, clusters, lengths = (
            own.prompts[name].to_numpy() for name in ("task", "cluster", "n_tokens")
        )
        probe = probe_layers(
            own.vectors,
            tasks,
            clusters,
            n_tokens=lengths,
            texts=list(own.prompts["text"]),
            rng=stream(seed, "probes", model),
            permutations=permutations,
        )
        tables["probes"].append(_numbered(probe.layers, own, model).assign(chance=probe.chance))
        peak = probe.peak
        best = {
            "baseline": BEST, "layer": None if peak.layer is None else own.layers[peak.layer],
            "accuracy": peak.accuracy, "low": peak.low, "high": peak.high, "reason": probe.reason,
        }  # fmt: skip
        rows = pd.concat([probe.baselines, pd.DataFrame([best])], ignore_index=True)
        rows = rows.astype({"layer": "Int64"})
        tables["probe_baselines"].append(_of(rows, model).assign(method=probe.method))
        separation = silhouette_by_layer(
            own.vectors,
            tasks,
            clusters,
            n_tokens=lengths,
            rng=stream(seed, "silhouettes", model),
            permutations=permutations,
        )
        found = _numbered(separation.layers, own, model).assign(method=separation.method)
        tables["silhouettes"].append(found)
    pairs = [(model, model) for model in states] + list(combinations(states, 2))
    for first, second in pairs:
        both = f"{first} and {second}" if first != second else first
        whose = "their" if first != second else "its"
        note(f"{both}: how alike {whose} layers see the prompts")
        rng = stream(seed, "similarity", first, second)
        tables["similarity"].append(
            _similarity(states, first, second, rng=rng, permutations=permutations)
        )
    return {
        name: pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        for name, parts in tables.items()
    }


def _similarity(
    states: Mapping[str, _Vectors],
    first: str,
    second: str,
    *,
    rng: np.random.Generator,
    permutations: int,
) -> pd.DataFrame:
    one, two = states[first], states[second]
    both = [name for name in one.prompts["prompt_id"] if name in set(two.prompts["prompt_id"])]
    rows = [own.prompts.set_index("prompt_id").loc[both] for own in (one, two)]
    chosen = [
        [vectors[own.prompts["prompt_id"].isin(both).to_numpy()] for vectors in own.vectors]
        for own in (one, two)
    ]
    lengths = np.sqrt(rows[0]["n_tokens"].to_numpy() * rows[1]["n_tokens"].to_numpy())
    found = representational_similarity(
        chosen[0],
        None if first == second else chosen[1],
        rows[0]["cluster"],
        n_tokens=lengths,
        rng=rng,
        permutations=permutations,
    )
    pairs = found.pairs.assign(
        layer=[one.layers[place] for place in found.pairs["layer"]],
        other=[two.layers[place] for place in found.pairs["other"]],
        n=found.n,
        method=found.method,
    )
    pairs.insert(0, "other_model", second)
    return _of(pairs, first)


def selective_neurons(
    measured: Measurements,
    *,
    seed: int,
    note: Callable[[str], None] = lambda _: None,
) -> pd.DataFrame:
    """Return for each model and task the neurons that tell it from the other tasks.

    They are chosen on one half of the prompts and judged on the other, by each prompt's mean
    activation over its tokens after the first.

    Args:
        measured: of runs with their neurons kept; the table is empty without them.
        seed: of the halves.
        note: told what comes next.

    Returns:
        As `Selective.chosen`, `layer` being the model's own number and `index` the neuron's place,
        from 0, in what the MLP's down projection reads.
    """
    import pandas as pd

    tables = []
    for label in measured.labels:
        own = _vectors_of(measured, label, measured.mean_neurons(label))
        if own is None:
            continue
        note(f"{label}: neurons that tell a task from the others")
        tasks, clusters, lengths = (
            own.prompts[name].to_numpy() for name in ("task", "cluster", "n_tokens")
        )
        rng = stream(seed, "selective_neurons", label)
        found = selective_features(own.vectors, tasks, clusters, n_tokens=lengths, rng=rng)
        layers = found.chosen["layer"].map(dict(enumerate(own.layers))).astype("Int64")
        tables.append(_of(found.chosen.assign(layer=layers), label))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _vectors_of(measured: Measurements, model: str, kept: LayerMeans | None) -> _Vectors | None:
    if kept is None:
        return None
    prompts = measured.prompts.set_index("prompt_id")
    ids = set(prompts.index)
    read = measured.primary(measured.lengths(controls=True))
    lengths = read[read["model"] == model].set_index("prompt_id")["n_tokens"]
    frame = prompts.loc[list(kept.prompts), ["task", "text", "control", "origin"]]
    frame = frame.assign(
        cluster=frame["origin"].where(frame["origin"].isin(ids), frame.index),
        n_tokens=lengths.reindex(list(kept.prompts)).to_numpy(dtype="float64"),
    ).reset_index()
    made = frame["control"].isin(["shuffled", "random"]).to_numpy()
    usable = ~made & frame["n_tokens"].notna().to_numpy()
    # In the order of the suite, so that nothing depends on how prompts were batched.
    place = {name: number for number, name in enumerate(prompts.index)}
    order = np.array(
        sorted(np.flatnonzero(usable), key=lambda row: place[kept.prompts[row]]), dtype=np.intp
    )
    vectors = tuple(own[order] for own in kept.vectors)
    return _Vectors(vectors, kept.layers, frame.iloc[order].reset_index(drop=True))


def _numbered(layers: pd.DataFrame, own: _Vectors, model: str) -> pd.DataFrame:
    """Return a table with the model's own numbers of its layers."""
    return _of(layers.assign(layer=[own.layers[place] for place in layers["layer"]]), model)


def _of(frame: pd.DataFrame, model: str) -> pd.DataFrame:
    frame = frame.copy()
    frame.insert(0, "model", model)
    return frame
