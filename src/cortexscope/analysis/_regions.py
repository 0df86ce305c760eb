"""The ten regions of the brain view, a metaphor: which metric of which layers each one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.analysis._groups import Groups
from cortexscope.analysis._values import clusters_of
from cortexscope.records import in_order
from cortexscope.stats import Bounds
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.records import MetricSpec
    from cortexscope.store import Measurements

__all__ = ["REGIONS", "Found", "Region", "band_of", "regions_found", "regions_of_steps"]


@dataclass(frozen=True, slots=True)
class Region:
    """A name of a part of the brain, and what of a model bears it; docs/brain.md says why."""

    key: str
    title: str
    metric: str
    band: tuple[float, float]
    """From where to where along the depth of the blocks, as shares of it."""
    told: str
    """What it says of a model, in a phrase."""
    study: str
    """What the published study took for it, in a phrase."""
    of: Literal["mean", "spread"] = "mean"
    """What is taken of the layers' values: their mean, or their standard deviation."""

    @property
    def phrase(self) -> str:
        """What it is called inside of a sentence."""
        return self.title if "'" in self.title else f"the {self.title.lower()}"

    @property
    def formula(self) -> str:
        """What is taken of which layers, in a phrase."""
        low, high = self.band
        if low == high:
            return "of the last block"
        where = "all blocks"
        if (low, high) != (0.0, 1.0):
            where = f"the blocks from {low:.0%} to {high:.0%} of the depth"
        return f"{'mean' if self.of == 'mean' else 'standard deviation'} over {where}"

    @property
    def part(self) -> Literal["mlp", "attention", "layers"]:
        """What is taken out of its layers, to see what it is needed for."""
        kinds: tuple[Literal["mlp", "attention"], ...] = ("mlp", "attention")
        return next((kind for kind in kinds if self.metric.startswith(kind)), "layers")

    def bounds(self, spec: MetricSpec) -> Bounds:
        """Return the lowest and the highest value that it can have."""
        low, high = spec.bounds
        if self.of == "mean":
            return low, high
        # No spread is larger than that of two halves at the ends.
        return 0.0, None if low is None or high is None else (high - low) / 2


_WRITES = "how much the MLPs of these layers write, relative to the stream that they read"
_SIZE = "mean size of the hidden states of a band of layers"
_PLAIN = "mean attention weight of the {} layers, which is 1 / length for any model"

REGIONS = (
    Region("visual", "Visual cortex", "mlp_contribution", (0.0, 0.2), _WRITES, _SIZE),
    Region("temporal", "Temporal lobe", "mlp_contribution", (0.2, 0.4), _WRITES, _SIZE),
    Region("broca", "Broca's area", "mlp_contribution", (0.4, 0.6), _WRITES, _SIZE),
    Region("parietal", "Parietal lobe", "mlp_contribution", (0.6, 0.8), _WRITES, _SIZE),
    Region("prefrontal", "Prefrontal cortex", "mlp_contribution", (0.8, 1.0), _WRITES, _SIZE),
    Region(
        "wernicke", "Wernicke's area", "attention_entropy_normalized", (1 / 3, 2 / 3),
        "how widely the middle layers look over the text",
        _PLAIN.format("middle"),
    ),
    Region(
        "hippocampus", "Hippocampus", "attention_distance_relative", (2 / 3, 1.0),
        "how far the late layers look, relative to even attention",
        _PLAIN.format("last"),
    ),
    Region(
        "cingulate", "Anterior cingulate", "attention_entropy_normalized", (0.0, 1.0),
        "how much the layers differ in how widely they look",
        "variance between layers of the mean attention weight, which is 0 for any model",
        of="spread",
    ),
    Region(
        "amygdala", "Amygdala", "treves_rolls_population", (1.0, 1.0),
        "how far a few features of the last state stand out",
        "spread of the last hidden state's entries, in the model's own units",
    ),
    Region(
        "cerebellum", "Cerebellum", "block_influence", (0.0, 1.0),
        "how far each block turns the state",
        "mean size of the change from layer to layer, in the model's own units",
    ),
)  # fmt: skip
"""In the order of the study; every one of a metric that is measured by default."""


class Found(NamedTuple):
    """A region of a model."""

    model: str
    region: Region
    values: pd.DataFrame
    """A row a prompt or paraphrase: model, task, prompt_id, cluster, n_tokens, value; empty where
    `reason` says why."""
    layers: tuple[int, ...]
    """Those that have a value and count."""
    reason: str | None


def band_of(band: tuple[float, float], blocks: int) -> NDArray[np.int64]:
    """Return the blocks, from 1, whose middle lies in a band of the depth; never none.

    Where a model has no such block, it is the one nearest to the middle of the band.

    Example:
        >>> band_of((0.2, 0.4), 10).tolist(), band_of((0.2, 0.4), 2).tolist()
        ([3, 4], [1])
        >>> band_of((1.0, 1.0), 10).tolist()
        [10]
    """
    middles = (np.arange(blocks) + 0.5) / blocks
    low, high = band
    inside = np.flatnonzero((middles >= low) & (middles < high))
    if not len(inside):
        inside = np.array([np.argmin(np.abs(middles - (low + high) / 2))])
    return inside.astype(np.int64) + 1


def regions_found(measured: Measurements, groups: Groups) -> tuple[Found, ...]:
    """Return the regions of each model's primary stack over these groups, model by model."""
    clusters = clusters_of(measured)
    # A model's layers are many rows, of which little is left.
    of_models = threaded(
        lambda model: _found_of(measured, model, groups, clusters), measured.labels
    )
    return tuple(found for own in of_models for found in own)


def _found_of(
    measured: Measurements, model: str, groups: Groups, clusters: pd.Series[str]
) -> list[Found]:
    names = {region.metric for region in REGIONS} & set(measured.specs)
    read = measured.primary(measured.by_layer(names, models=[model], controls=True))
    read = groups.put(read[(read["layer"] > 0) & read["value"].notna()])
    rows = {key: own for key, own in read.groupby("metric", sort=False)}
    blocks = (read["layer"] / read["depth"]).round().max()
    return [
        _found(region, model, rows[region.metric], int(blocks), clusters)
        if region.metric in rows
        else Found(model, region, _values(), (), _absence(measured, model, region.metric))
        for region in REGIONS
    ]


def _found(
    region: Region, model: str, rows: pd.DataFrame, blocks: int, clusters: pd.Series[str]
) -> Found:
    known = rows[rows["layer"].isin(band_of(region.band, blocks))]
    layers = tuple(sorted(map(int, known["layer"].unique())))
    few = "one layer alone has no spread" if region.of == "spread" else None
    if len(layers) < (2 if few else 1):
        return Found(model, region, _values(), (), few or "no layer of the band has a value")
    values = _taken(region, known, ["prompt_id", "task", "n_tokens"])
    values = values.assign(model=model, cluster=values["prompt_id"].map(clusters))
    return Found(model, region, values[values["cluster"].notna()], layers, None)


def regions_of_steps(measured: Measurements, prompt: str) -> pd.DataFrame:
    """Return the regions at each token that models added to a prompt, of the stack that adds them.

    Args:
        measured: of a run or several.
        prompt: its id.

    Returns:
        Columns model, stack, region, step (the token's number, from 1), value, z, first_layer,
        last_layer. `z` is how far a token lies from the mean of the text's tokens, in standard
        deviations (n - 1) over them, NaN where these do not differ. Empty where nothing was
        generated; without the regions that have no value.
    """
    import pandas as pd

    names = {region.metric for region in REGIONS}
    read = measured.by_step(prompt, names)
    read = read[(read["layer"] > 0) & read["value"].notna()]
    parts = []
    for model, every in read.groupby("model", sort=False):
        stack = in_order(set(every["stack"]))[0]
        own = every[every["stack"] == stack]
        for region in REGIONS:
            rows = own[own["metric"] == region.metric]
            rows = rows[rows["layer"].isin(band_of(region.band, int(own["layer"].max())))]
            if rows["layer"].nunique() < (2 if region.of == "spread" else 1):
                continue
            values = _taken(region, rows, ["step"])
            spread = values["value"].std(ddof=1) or float("nan")
            parts.append(
                values.assign(
                    model=model, stack=stack, region=region.key,
                    z=(values["value"] - values["value"].mean()) / spread,
                    first_layer=rows["layer"].min(), last_layer=rows["layer"].max(),
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _taken(region: Region, rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return what a region takes of the layers' values, by keys."""
    grouped = rows.groupby(keys, sort=False)["value"]
    return (grouped.mean() if region.of == "mean" else grouped.std(ddof=0)).reset_index()


def _values() -> pd.DataFrame:
    import pandas as pd

    columns = ["model", "task", "prompt_id", "cluster", "n_tokens", "value"]
    return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})


def _absence(measured: Measurements, model: str, metric: str) -> str:
    if metric not in measured.specs:
        return f"{metric} was not measured; run with --metric {metric}"
    missing = measured.undefined([metric])
    reasons = missing.loc[missing["model"] == model, "reason"]
    return "; ".join(dict.fromkeys(map(str, reasons))) or "nothing was measured yet"
