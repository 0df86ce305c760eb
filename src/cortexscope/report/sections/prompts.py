"""The prompts: their texts, lengths, and what is unusual about each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.document import UNDEFINED, Column, Part, Prose, Section, Table
from cortexscope.report._labels import plain, shortened
from cortexscope.report._own import own_text
from cortexscope.report._pages import pages_of
from cortexscope.report._shown import Shown
from cortexscope.store import PREFIX, attribute_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_MOST = 2000
_TEXT = 400
_MOST_OWN = 6
"""Columns of the user's own that a list has room for; a prompt's page has all."""
_COLUMNS = (
    Column("Prompt"),
    Column("Task"),
    Column("Text", wraps=True),
    Column("Tokens", "number", decimals=0),
    Column("Farthest from the mean", "number", decimals=1),
    Column("In", wraps=True),
)


def build(shown: Shown) -> Section:
    """Return a row a prompt, the farthest first, each with its page."""
    prompts = shown.frames.prompts
    prompts = prompts[prompts["control"].isna()]
    far = _farthest(shown)
    lengths = shown.frames.lengths.groupby("prompt_id")["n_tokens"].mean()
    facts = prompts.set_index("prompt_id")
    facts = facts.assign(tokens=lengths.reindex(facts.index), z=far["z"].reindex(facts.index))
    order = facts["z"].abs().fillna(-1.0).sort_values(ascending=False, kind="stable").index
    rows = []
    where = {
        prompt: f"{shown.labels.title(metric)}, {plain(model)}"
        for prompt, metric, model in far[["metric", "model"]].itertuples(name=None)
    }
    own = attribute_columns(prompts)[:_MOST_OWN]
    listed = facts.loc[order[:_MOST], ["task", "text", "tokens", "z", *own]]
    for prompt, task, words, tokens, z, *more in listed.itertuples(name=None):
        text = (shortened(str(words), _TEXT),) if shown.texts else ()
        names = plain(str(prompt)), plain(str(task))
        known = (own_text(value) or UNDEFINED for value in more)
        rows.append((*names, *text, tokens, z, where.get(prompt, UNDEFINED), *known))
    columns = _COLUMNS if shown.texts else tuple(own for own in _COLUMNS if own.name != "Text")
    columns += tuple(Column(name, wraps=True) for name in _named(own))
    said = [
        "How far a prompt lies from the mean of all prompts, in standard deviations of one model "
        "and metric: where it lies farthest. Of many metrics, a few beyond 3 are chance. The name "
        "of a prompt opens its page, with every metric of every model."
    ]
    if len(order) > _MOST:
        said.append(f"The {_MOST} farthest of {len(order)} prompts.")
    if not shown.texts:
        said.append("Texts were left out, as asked.")
    table = Table(key="prompts_read", title="Prompts", parts=(Part.of(columns, rows),))
    pages, lacking = pages_of(shown, table, list(order[:_MOST]))
    said += lacking
    return Section("prompts", "Prompts", (Prose(tuple(said)), pages or table))


def _named(own: Sequence[str]) -> list[str]:
    """Return a heading for each such column: its name, or more where a column of ours has it."""
    taken = {column.name for column in _COLUMNS}
    names: list[str] = []
    for column in own:
        name = plain(column.removeprefix(PREFIX))
        if name in taken or name in names:
            name = f"{plain(column)} ({len(names) + 1})"
        names.append(name)
    return names


def _farthest(shown: Shown) -> pd.DataFrame:
    """Return each prompt's farthest value: columns z, metric, model; by prompt."""
    read = shown.frames.analysis.read
    read = read[(read["kind"] == "original") & read["value"].notna()]
    grouped = read.groupby(["metric", "model"], observed=True)["value"]
    spread = grouped.transform("std").to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (read["value"].to_numpy() - grouped.transform("mean").to_numpy()) / spread
    known = np.flatnonzero((spread > 0) & np.isfinite(z))
    order = known[np.argsort(-np.abs(z[known]), kind="stable")]
    # Of each prompt the first row; names are made of these alone.
    prompts = read["prompt_id"].astype("category").cat.codes.to_numpy()[order]
    order = order[np.sort(np.unique(prompts, return_index=True)[1])]
    farthest = read.iloc[order][["prompt_id", "metric", "model"]].astype(str)
    return farthest.assign(z=z[order]).set_index("prompt_id")[["z", "metric", "model"]]
