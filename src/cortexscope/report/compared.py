"""What a comparison of models comes to: findings first, then tables; for pages and terminals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis import CHANCE, QUANTILES, Analysis, onset
from cortexscope.document import Column, Part, Table
from cortexscope.report._labels import plain, task_title

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MARGIN", "compared_findings", "compared_table", "compared_tasks"]

MARGIN = 0.01
"""Bits per byte by which a model may be worse than the base and still pass for as good."""

_Row = dict[Any, Any]

_KL = (("Mean KL", "kl"), ("Low_95", "kl_low"), ("High_95", "kl_high"))
_NAMES = {
    "max": "Max", "q99_9": "99.9 %", "q99": "99 %", "q95": "95 %", "q90": "90 %",
    "median": "Median", "q10": "10 %", "q05": "5 %", "q01": "1 %", "q00_1": "0.1 %", "min": "Min",
}  # fmt: skip
_LOW = {"q00_1", "min"}
"""Quantiles that say nothing of a divergence."""


_MEANING = (
    "KL in nats a token, of the base's distribution from the model's; Δp is the change of the next "
    "token's probability. Means are over a prompt's tokens and then over prompts, with 95 % "
    "intervals; percentiles are over all tokens."
)


def compared_findings(analysis: Analysis, *, margin: float = MARGIN) -> tuple[str, ...]:
    """Return what a comparison found, in sentences: of each model, how far it lies from the base.

    Args:
        analysis: of a run that `cortexscope compare` wrote.
        margin: bits per byte by which a model may be worse and still pass for as good.
    """
    table = analysis.table("compared_predictions")
    if table.empty:
        return ()
    noise = {
        str(row["base"]): float(row["kl"]) for row in _whole(table[table["noise"].astype(bool)])
    }
    states = analysis.table("compared_states")
    said: list[str] = []
    for row in _whole(table[~table["noise"].astype(bool)]):
        base, model = str(row["base"]), str(row["model"])
        own = table[(table["base"] == base) & (table["model"] == model)]
        said += _far(row, noise.get(base))
        said += _direction(row, margin)
        said += _tasks(row, own[own["task"].notna()])
        said += _layers(row, states)
        said += _metrics(row, analysis.table("compared_metrics"))
    for base, kl in noise.items():
        said.append(
            f"Noise floor: {plain(base)} in bfloat16 lies {_number(kl)} nats a token from itself."
        )
    return tuple(said)


def _whole(table: pd.DataFrame) -> list[_Row]:
    # Where nothing could be compared there are no columns either.
    return [] if table.empty else table[table["task"].isna()].to_dict("records")


def _far(row: _Row, noise: float | None) -> Iterator[str]:
    model, base = plain(str(row["model"])), plain(str(row["base"]))
    if np.isnan(row["kl"]):
        yield f"{model} and {base}: no KL divergence of predictions: {row['reason']}."
        return
    if row["kl_max"] == 0:
        yield f"{model} predicts exactly what {base} does, at all {row['tokens']:,} tokens."
        return
    floor = ""
    if noise is not None and noise > 0:
        floor = f", {_number(row['kl'] / noise)} times the noise floor"
    yield (
        f"{model} lies {_estimate(row, 'kl')} nats a token from {base} (KL){floor}; the likeliest "
        f"token is the same at {100 * row['same_top']:.1f} % of {row['tokens']:,} tokens, n = "
        f"{row['prompts']} prompts."
    )


def _direction(row: _Row, margin: float) -> Iterator[str]:
    model, base = plain(str(row["model"])), plain(str(row["base"]))
    if np.isnan(row["bits_difference"]):
        yield f"{model} and {base}: bits per byte are not compared: {row['bits_reason']}."
        return
    low, high = row["bits_difference_low"], row["bits_difference_high"]
    shown = f"{_estimate(row, 'bits_difference', signed=True)} bits a byte"
    if np.isnan(low):
        told = "nothing is known of its spread"
    elif low == high == 0:
        told = "the same"
    elif low > 0:
        told = "worse"
    elif high < 0:
        told = "better"
    else:
        told = "neither better nor worse, as far as these prompts tell"
    passes = ""
    if high < margin:
        passes = f"; not worse by {margin:g} or more"
    elif low >= margin:
        passes = f" by {margin:g} or more"
    elif high >= margin:
        passes = f"; that it is worse by {margin:g} or more is not ruled out"
    p = "" if np.isnan(row["p"]) else f", p = {row['p']:.2g}"
    yield f"{model} needs {shown} against {base}'s {row['bits_base']:.3f}{p}: {told}{passes}."


def _tasks(row: _Row, tasks: pd.DataFrame) -> Iterator[str]:
    known = tasks[tasks["kl"].notna() & tasks["kl_low"].notna()]
    if len(known) < 2 or row["kl_max"] == 0:
        return
    ordered = known.sort_values("kl").to_dict("records")
    least, most = ordered[0], ordered[-1]
    if most["kl_low"] > least["kl_high"]:
        yield (
            f"{plain(str(row['model']))} is farthest on {task_title(most['task'])} "
            f"({_estimate(most, 'kl')}) and nearest on {task_title(least['task'])} "
            f"({_estimate(least, 'kl')})."
        )
    else:
        yield (
            f"No task stands out for {plain(str(row['model']))}: the farthest, "
            f"{task_title(most['task'])} ({_estimate(most, 'kl')}), is not told from the nearest."
        )


def _layers(row: _Row, states: pd.DataFrame) -> Iterator[str]:
    if states.empty:
        return
    model, base = plain(str(row["model"])), plain(str(row["base"]))
    own = states[(states["base"] == row["base"]) & (states["model"] == row["model"])]
    known = own[own["distance"].notna()]
    if known.empty:
        shapes = own[own["cka"].notna()]
        if len(shapes):
            least = shapes.loc[shapes["cka"].idxmin()]
            yield (
                f"States of {model} and {base} are least alike in layer {least['layer']} of the "
                f"{least['stack']}: CKA {least['cka']:.3f}."
            )
        return
    for stack, layers in known.groupby("stack", sort=False):
        of = "" if known["stack"].nunique() == 1 else f" of the {stack}"
        first = onset(layers)
        if first is None:
            yield f"States of {model} are those of {base} in every layer{of}."
            continue
        at = layers[layers["layer"] == first].iloc[0]
        last = layers.iloc[-1]
        before = "" if first == layers["layer"].iloc[0] else "are the same before it, and "
        yield (
            f"States of {model} differ from layer {first}{of} on: they {before}lie "
            f"{100 * at['distance']:.3g} % of their length apart there and "
            f"{100 * last['distance']:.3g} % in layer {last['layer']}, the last."
        )


def _metrics(row: _Row, metrics: pd.DataFrame) -> Iterator[str]:
    if metrics.empty:
        return
    own = metrics[(metrics["base"] == row["base"]) & (metrics["model"] == row["model"])]
    tested = own[own["p_bh"].notna()]
    clear = tested[tested["p_bh"] <= CHANCE].sort_values("p_bh", kind="stable")
    if own.empty:
        return
    named = ", ".join(map(plain, clear["metric"].head(4)))
    rest = f" and {len(clear) - 4} more" if len(clear) > 4 else ""
    more = f": {named}{rest}" if named else ""
    yield (
        f"{plain(str(row['model']))} differs in {len(clear)} of {len(own)} metrics (Benjamini and "
        f"Hochberg, 5 %){more}."
    )


def compared_table(analysis: Analysis) -> Table:
    """Return how far predictions lie apart over all prompts, a pair of models a column.

    The rows are those of llama.cpp's `--kl-divergence`, so that both can be read side by side.
    """
    rows = _whole(analysis.table("compared_predictions"))
    columns = [Column("")] + [Column(plain(str(row["model"])), "number", digits=4) for row in rows]
    shown: list[tuple[object, ...]] = [
        (name, *(row[column] for row in rows)) for name, column in _statistics() if rows
    ]
    reasons = {
        (number, plain(str(row["model"]))): str(row["reason"] or row["bits_reason"])
        for row in rows
        for number, (_, column) in enumerate(_statistics())
        if np.isnan(row[column]) and (row["reason"] or row["bits_reason"])
    }
    bases = ", ".join(dict.fromkeys(plain(str(row["base"])) for row in rows))
    part = Part.of(columns, shown)
    return Table(
        key="compared_predictions",
        title=f"Predictions beside {bases}" if rows else "Predictions",
        parts=(Part(part.frame, part.columns, reasons=reasons),),
        notes=(_MEANING if rows else "No two models read the same prompts.",),
    )


def _statistics() -> Iterator[tuple[str, str]]:
    yield from _KL
    yield from ((f"KL {_NAMES[key]}", f"kl_{key}") for key in QUANTILES if key not in _LOW)
    yield "Mean Δp", "delta_p"
    yield "Δp RMS", "delta_p_rms"
    yield from ((f"Δp {_NAMES[key]}", f"delta_p_{key}") for key in QUANTILES)
    yield from (("Same top", "same_top"), ("Same top low", "same_top_low"))
    yield from (("Same top high", "same_top_high"), ("Perplexity ratio", "perplexity_ratio"))
    yield from (("Bits per byte, base", "bits_base"), ("Bits per byte", "bits"))
    yield "Difference of bits per byte", "bits_difference"
    yield from (
        ("Difference low", "bits_difference_low"),
        ("Difference high", "bits_difference_high"),
    )


_OF_TASKS = (
    ("KL", "kl"), ("Low_95", "kl_low"), ("High_95", "kl_high"), ("Same_top", "same_top"),
    ("Δbits", "bits_difference"), ("P", "p_holm"),
)  # fmt: skip


def compared_tasks(analysis: Analysis) -> Table:
    """Return how far predictions lie apart on each task, a pair of models and task a row."""
    table = analysis.table("compared_predictions")
    rows = [] if table.empty else table[table["task"].notna()].to_dict("records")
    columns = [Column("Task"), Column("Model")]
    columns += [Column(name, "number", digits=2) for name, _ in _OF_TASKS]
    shown = [
        (
            task_title(row["task"]),
            plain(str(row["model"])),
            *(row[column] for _, column in _OF_TASKS),
        )
        for row in rows
    ]
    return Table(
        key="compared_tasks",
        title="Predictions by task",
        parts=(Part.of(columns, shown),),
        notes=(
            "KL in nats a token; Δbits is the model's bits per byte less the base's, with its "
            "interval in compared_predictions.csv of `cortexscope stats`; P is of flipped signs, "
            "adjusted over tasks (Holm).",
        ),
    )


def _number(value: float) -> str:
    return f"{value:.3g}"


def _estimate(row: _Row, name: str, *, signed: bool = False) -> str:
    form = "+.3g" if signed else ".3g"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    ends = "" if np.isnan(low) else f" [{low:{form}}, {high:{form}}]"
    return f"{row[name]:{form}}{ends}"
