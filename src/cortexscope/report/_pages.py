"""A page a prompt: its text, what models generated, every metric, and layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.document import Depths, Pages, Table
from cortexscope.metrics import HEADLINE
from cortexscope.report._labels import plain, task_title
from cortexscope.report._own import own_text
from cortexscope.report._shown import Shown
from cortexscope.store import PREFIX, attribute_columns

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["pages_of"]

_LARGEST = 800_000
"""Numbers along layers, of all prompts: about 2.5 MB of a page. Beyond it they are left out."""
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
    metrics, columns = [], []
    # A metric after the other: those of all prompts would take much memory at once.
    for metric in frames.metrics:
        own = frames.values([metric])
        own = own[own["value"].notna()]
        if len(own):
            metrics.append(metric)
            columns.append(_column(own, prompts, frames.labels))
    if not metrics or not prompts:
        return None, ()
    values, means, spreads = (np.stack(own, axis=-1) for own in zip(*columns, strict=True))
    lacking = []
    layered = [own for own in HEADLINE if own in metrics]
    layers = sum(own.info.layers for own in frames.origins)
    # Known before they are read, which takes long where there are many.
    if len(frames.prompts) * layers * len(layered) > _LARGEST:
        depths: tuple[Depths, ...] = ()
        lacking.append(
            "Layers are left out of the pages of prompts: there are too many for a page."
        )
    else:
        depths = _depths(shown, prompts, metrics, layered)
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
                *own,
            ]
        )
        for task, counts, own in zip(
            facts["task"], tokens.to_numpy(dtype="float64"), _own(facts), strict=True
        )
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


def _column(
    found: pd.DataFrame, prompts: Sequence[str], labels: Sequence[str]
) -> tuple[Floats, Floats, Floats]:
    """Return a metric's values of these prompts, [prompt, model], and each model's mean and SD.

    Args:
        found: values of the metric, none undefined, as `RunFrames.values`; means are over all.
        prompts: a row each, NaN where one has no value.
        labels: of the models, a column each.
    """
    of_all = found.groupby("model")["value"].agg(["mean", "std"]).reindex(list(labels))
    chosen = found[found["prompt_id"].isin(list(prompts))]
    grid = chosen.pivot(index="prompt_id", columns="model", values="value")
    grid = grid.reindex(index=list(prompts), columns=list(labels))
    means, spreads = of_all.to_numpy(dtype="float64").T
    return grid.to_numpy(dtype="float64"), means, spreads


def _own(facts: pd.DataFrame) -> list[list[str]]:
    """Return what columns of the user's own say of each prompt."""
    names = attribute_columns(facts)
    return [
        [
            f"{plain(name.removeprefix(PREFIX))}: {said}"
            for name, value in zip(names, values, strict=True)
            if (said := own_text(value)) is not None
        ]
        for values in facts[list(names)].itertuples(index=False, name=None)
    ]


def _depths(
    shown: Shown, prompts: Sequence[str], metrics: Sequence[str], layered: Sequence[str]
) -> tuple[Depths, ...]:
    frames = shown.frames
    layers = frames.primary(frames.layers(layered))
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
