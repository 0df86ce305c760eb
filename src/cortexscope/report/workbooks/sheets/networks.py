"""Layer networks: which bands of layers rise and fall together over prompts."""

from __future__ import annotations

from dataclasses import asdict
from itertools import combinations, product

from cortexscope.document import Column, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._bands import BANDS, NOTE, by_band
from cortexscope.report.workbooks._rows import Row, Rows, absent, ends, estimated, number

__all__ = ["build"]

_R = ("r", *ends("r"))
_COLUMNS = (
    Column("Metric"),
    Column("Model"),
    Column("Band"),
    Column("With"),
    number(_R[0], "zero", "Pearson's r over prompts"),
    number(_R[1]),
    number(_R[2]),
    Column("Prompts", "integer"),
)


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return the correlation over prompts of each two bands, by metric and model."""
    from cortexscope.stats import pearson

    rows = Rows()
    grouped = dict(tuple(by_band(frames).groupby(["metric", "model"], sort=False)))
    for metric, model in product(frames.analysis.focus, frames.labels):
        if (metric, model) not in grouped:
            continue
        # Paraphrases of one prompt are one.
        own = grouped[metric, model].groupby(["cluster", "band"], sort=False)["value"].mean()
        wide = own.unstack("band")
        for first, second in combinations(filter(wide.__contains__, BANDS), 2):
            x, y = (wide[name].to_numpy(dtype="float64") for name in (first, second))
            found = pearson(x, y, names=(f"the {first} band", f"the {second} band"))
            row: Row = {"Metric": metric, "Model": model, "Band": first, "With": second}
            cells, why = estimated(_R, asdict(found))
            rows.add(row | cells | {"Prompts": found.n}, why)
    part = rows.part(_COLUMNS)
    if not len(part.frame):
        told = "no metric that is looked at closely has values of several layers"
        return absent("networks", "Layer networks", told)
    return Table(
        key="networks",
        title="Layer networks",
        parts=(part,),
        notes=(
            NOTE,
            "Two bands with a high r rise and fall together from prompt to prompt, all tasks and "
            "lengths together; that one drives the other does not follow, and length may drive "
            "both. Fisher's interval takes prompts as independent.",
        ),
    )
