"""The brain view: a declared metaphor, with what each of its names stands for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cortexscope.document import Block, Column, Fold, Part, Prose, Section, Table
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._shown import Shown
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures.brain import METAPHOR, layers_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_INTRO = (
    "The published study gave parts of a model the names of parts of a brain. Here each name is "
    "defined by a metric that carries information, with its layers. Three of the study's formulas "
    "carry none: its Wernicke's area and hippocampus are means of attention weights, which are 1 / "
    "length for any model, and its anterior cingulate, the variance of these between layers, is 0."
)
_HUBS = (
    "Hub score: the mean size of a region's rank correlations (Spearman) with the other regions "
    "over prompts, with what length does taken out of each. Chance: what 95 % of shuffles of the "
    "region's prompts stay below; sizes have no sign, so that it is not 0. p is by the same "
    "shuffles. Low_95 to High_95: a bootstrap over prompts, the farther ends of percentiles and "
    "pivots, from 0 where p is above 0.05. Regions of one metric in neighbouring layers share much "
    "by construction. The study's score was another: how often two regions both lay above the mean "
    "of the ten, which are in different units, so that it ranks units."
)
_UNGENERATED = (
    "This run has no brains along tokens: values of single tokens are kept of those that a model "
    "adds to a prompt, with cortexscope run --generate N, of models that generate."
)
_SHORT = "Brain view"
_MEAN = "study.mean_attention"
_PLAIN = "1 / length"
_COMPARED = (
    f"{_PLAIN}: what the study's formulas for Wernicke's area and the hippocampus come to in any "
    "model, the mean over the task's prompts of 1 over the number of tokens. It is kept for "
    "comparison; no region is made of it."
)
_MEASURED = "{} is the same as the model's own weights have it, averaged over layers."
_FORMS = {"raw": "as measured", "adjusted": "at equal lengths"}


def build(shown: Shown) -> Section:
    """Return what the regions are, the drawn brain, hub scores, and every profile, folded."""
    analysis = shown.frames.analysis
    title = "Brain view, a metaphor"
    found = analysis.table("regions")
    if not len(found):
        said = f"{METAPHOR} This run has none: {analysis.missing('regions')}."
        return Section("brain", title, (Prose((said,), "aside"),), short=_SHORT)
    blocks: list[Block] = []
    blocks += shown.figures_named("brain")
    blocks += shown.figures_named("brain_need")
    blocks += shown.figures_named("brain_tokens") or [Prose((_UNGENERATED,), "aside")]
    blocks += [_defined(found, shown.labels), _hubs(analysis.table("hubs"))]
    notes = stacks_note(shown.frames.many_stacked)
    profiles = tuple(_profiles(found, shown, notes))
    regions, models = found["region"].nunique(), found["model"].nunique()
    summary = f"Profiles: the means of {regions} regions by task, with intervals, of {models} model"
    blocks.append(Fold(f"{summary}{'s' * (models != 1)}", profiles))
    told = (Prose((METAPHOR,), "warning"), Prose((_INTRO,)))
    fold = Fold("The drawn brain, its regions, hub scores and profiles", tuple(blocks))
    return Section("brain", title, (*told, fold), short=_SHORT)


def _defined(found: pd.DataFrame, labels: Labels) -> Table:
    from cortexscope.analysis import REGIONS

    columns = (
        Column("Name"), Column("What it says here", wraps=True),
        Column("Metric", titles=labels.titles([region.metric for region in REGIONS])),
        Column("Taken", wraps=True), Column("Layers", wraps=True),
        Column("What the study took", wraps=True),
    )  # fmt: skip
    rows = []
    for region in REGIONS:
        own = found[found["region"] == region.key].drop_duplicates("model")
        known = own[own["first_layer"].notna()].to_dict("records")
        layers = [f"{plain(row['model'])}: {layers_text(row)}" for row in known]
        rows.append(
            (region.title, region.told, region.metric, region.formula, "; ".join(layers) or None,
             region.study)
        )  # fmt: skip
    title = "What each name stands for"
    return Table(key="brain_regions", title=title, parts=(Part.of(columns, rows, title),))


def _hubs(found: pd.DataFrame) -> Table:
    titles = _titles()
    scores = {"Hub score": "hub", "Low_95": "low", "High_95": "high", "Chance": "chance"}
    columns = (
        Column("Model"), Column("Region"),
        *(Column(name, "number", decimals=3) for name in scores),
        Column("p", "number", decimals=4), Column("Closest region"),
        Column("Spearman's rho", "number", decimals=3), Column("Prompts", "integer"),
    )  # fmt: skip
    rows, reasons = [], {}
    for place, row in enumerate(found.to_dict("records")):
        rows.append(
            (plain(row["model"]), titles[row["region"]], *(row[own] for own in scores.values()),
             row["p"], titles.get(row["partner"]), row["rho"], row["n"])
        )  # fmt: skip
        if isinstance(row["reason"], str):
            reasons[place, "Hub score"] = row["reason"]
    title = "Hub scores: which regions rise and fall together"
    part = replace(Part.of(columns, rows, title), reasons=reasons)
    return Table(key="brain_hubs", title=title, parts=(part,), notes=(_HUBS,))


def _profiles(found: pd.DataFrame, shown: Shown, notes: tuple[str, ...]) -> Iterator[Table]:
    titles, frames, named = _titles(), shown.frames, shown.labels.title(_MEAN)
    inverse = (1 / frames.lengths["n_tokens"]).groupby(
        [frames.lengths["model"], frames.lengths["task"]]
    )
    compared, notes = {_PLAIN: inverse.mean().to_dict()}, (_COMPARED, *notes)
    if _MEAN in frames.metrics:
        weights = frames.values([_MEAN]).groupby(["model", "task"], observed=True)["value"]
        compared, notes = (
            {named: weights.mean().to_dict(), **compared},
            (*notes, _MEASURED.format(named)),
        )
    columns = (
        Column("Task"), *(Column(title) for title in titles.values()),
        *(Column(name, "number", digits=3) for name in compared),
    )  # fmt: skip
    for form, how in _FORMS.items():
        parts = []
        for model, own in found[found["form"] == form].groupby("model", sort=False):
            cells: dict[tuple[str, str], Mapping[Any, Any]] = {
                (row["task"], row["region"]): row for row in own.to_dict("records")
            }
            read = [task for task in frames.tasks if (task, next(iter(titles))) in cells]
            rows = [
                (task_title(t), *(_cell(cells.get((t, r), {})) for r in titles),
                 *(beside.get((model, t)) for beside in compared.values()))
                for t in read
            ]  # fmt: skip
            reasons = {
                (place, titles[region]): str(cells[task, region]["reason"])
                for place, task in enumerate(read)
                for region in titles
                if (task, region) in cells and _cell(cells[task, region]) is None
            }
            title = f"{plain(str(model))}, {how}"
            parts.append(replace(Part.of(columns, rows, title), reasons=reasons))
        yield Table(
            key=f"brain_profiles_{form}",
            title=f"Means of the regions by task, {how}, with 95 % intervals",
            parts=tuple(parts),
            notes=notes,
        )


def _cell(row: Mapping[Any, Any]) -> str | None:
    if not row or not math.isfinite(row["mean"]):
        return None
    if not math.isfinite(row["low"]):
        return f"{row['mean']:.3g}"
    return f"{row['mean']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"


def _titles() -> dict[Any, str]:
    from cortexscope.analysis import REGIONS

    return {region.key: region.title for region in REGIONS}
