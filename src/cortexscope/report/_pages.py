"""A page a prompt: its text, what models generated, every metric, and layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cortexscope.document import Depths, Pages, Table
from cortexscope.metrics import HEADLINE
from cortexscope.report._labels import plain, task_title
from cortexscope.report._shown import Shown

__all__ = ["pages_of"]

_LARGEST = 800_000
"""Numbers along layers: about 2.5 MB of a page. Beyond it they are left out."""
_LARGEST_TEXTS = 4_000_000
"""Characters: texts beyond it are cut in the list and left out of the pages."""


def pages_of(
    shown: Shown, table: Table, prompts: Sequence[str]
) -> tuple[Pages | None, tuple[str, ...]]:
    """Return the pages of prompts, None where none has a value, and what was left out of them.

    Args:
        shown: the report.
        table: with a row a prompt, in the order of `prompts`.
        prompts: their ids.
    """
    frames = shown.frames
    found = frames.values(frames.metrics)
    found = found[found["value"].notna()]
    defined = set(found["metric"].unique())
    metrics = [own for own in frames.metrics if own in defined]
    if not metrics or not prompts:
        return None, ()
    places = [{own: at for at, own in enumerate(names)} for names in (frames.labels, metrics)]
    model, metric = (
        found[name].map(own).to_numpy()
        for name, own in zip(("model", "metric"), places, strict=True)
    )
    shape = len(frames.labels), len(metrics)
    value = found["value"].to_numpy(dtype="float64")
    n, means = np.zeros(shape), np.zeros(shape)
    np.add.at(n, (model, metric), 1.0)
    np.add.at(means, (model, metric), value)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = means / n
        squares = np.zeros(shape)
        np.add.at(squares, (model, metric), (value - means[model, metric]) ** 2)
        spreads = np.sqrt(squares / (n - 1))
    spreads[~(spreads > 0)] = np.nan
    item = found["prompt_id"].map({own: at for at, own in enumerate(prompts)})
    listed = item.notna().to_numpy()
    values = np.full((len(prompts), *shape), np.nan)
    at = item[listed].to_numpy(dtype="int64")
    values[at, model[listed], metric[listed]] = value[listed]
    depths = _depths(shown, prompts, metrics)
    lacking = []
    if sum(own.values.size for own in depths) > _LARGEST:
        depths = ()
        lacking.append(
            "Layers are left out of the pages of prompts: there are too many for a page."
        )
    facts = frames.prompts.set_index("prompt_id").loc[list(prompts)]
    texts = tuple(map(str, facts["text"])) if shown.texts else ()
    if sum(map(len, texts)) > _LARGEST_TEXTS:
        texts = ()
        lacking.append("Whole texts are left out: there are too many for a page.")
    tokens = frames.lengths.pivot_table(
        index="prompt_id", columns="model", values="n_tokens", aggfunc="first"
    ).reindex(index=list(prompts), columns=list(frames.labels))
    heads = [
        ", ".join(
            [
                task_title(str(task)),
                *(
                    f"{int(count)} tokens in {plain(label)}"
                    for label, count in zip(frames.labels, counts, strict=True)
                    if count == count
                ),
            ]
        )
        for task, counts in zip(facts["task"], tokens.to_numpy(dtype="float64"), strict=True)
    ]
    return (
        Pages(
            table=table,
            heads=tuple(heads),
            texts=texts,
            made=_generated(shown, prompts) if shown.texts else (),
            metrics=tuple(shown.labels.axis(own) for own in metrics),
            series=tuple(plain(own) for own in frames.labels),
            values=values,
            means=means,
            spreads=spreads,
            depths=depths,
        ),
        tuple(lacking),
    )


def _depths(shown: Shown, prompts: Sequence[str], metrics: Sequence[str]) -> tuple[Depths, ...]:
    frames = shown.frames
    names = [own for own in HEADLINE if own in metrics]
    layers = frames.primary(frames.layers(names))
    found = []
    for (metric, model), own in layers.groupby(["metric", "model"], sort=False):
        if own["value"].isna().all():
            continue
        first, last = int(own["layer"].min()), int(own["layer"].max())
        grid = own.pivot_table(index="prompt_id", columns="layer", values="value", aggfunc="mean")
        grid = grid.reindex(index=list(prompts), columns=range(first, last + 1))
        place = metrics.index(str(metric)), frames.labels.index(str(model))
        found.append(Depths(*place, first, grid.to_numpy(dtype="float64")))
    return tuple(found)


def _generated(shown: Shown, prompts: Sequence[str]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return what models added to each prompt, each with its name."""
    found = shown.frames.measured.generations()
    if not len(found):
        return ()
    texts: dict[str, list[tuple[str, str]]] = {}
    for row in found[["model", "prompt_id", "text"]].itertuples():
        texts.setdefault(str(row.prompt_id), []).append(
            (f"Generated by {plain(str(row.model))}", str(row.text))
        )
    return tuple(tuple(texts.get(own, ())) for own in prompts)
