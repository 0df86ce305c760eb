"""The models: what they are, what they cost, and how far they lie apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis import CHANCE
from cortexscope.document import UNDEFINED, Column, Fold, Part, Prose, Section, Table
from cortexscope.metrics import HEADLINE
from cortexscope.report._contrasts import MANY, compares_models, higher_first
from cortexscope.report._labels import parameters_text, plain
from cortexscope.report._shown import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build"]

_COST = (
    Column("Model"),
    Column("Parameters"),
    Column("Weights"),
    Column("Weights_GB", "number", digits=3),
    Column("Peak_GB", "number", digits=3),
    Column("Tokens_per_second", "number", decimals=0),
    Column("Seconds", "number", decimals=1),
)
_READ = (
    *(Column(name) for name in ("Model", "Checkpoint", "Revision", "Family", "Architecture")),
    Column("Layers", "integer"),
    Column("Heads (key/value)"),
    Column("Hidden size", "integer"),
    Column("Attention"),
    Column("Notes", wraps=True),
)
_PAIRS = (
    Column("Metric", wraps=True),
    *(Column(name) for name in ("Higher", "Lower")),
    *(Column(name, "number", digits=3) for name in ("Difference", "Low_95", "High_95")),
    Column("Hedges_g", "number", decimals=2),
    Column("P", "number", decimals=4),
    Column("Prompts", "integer"),
    Column("Verdict", tones={"clear": "good", "open": "open"}),
)
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
_QUALITY = {"bits_per_byte": "Bits_per_byte", "surprisal": "Surprisal"}


def build(shown: Shown) -> Section:
    """Return what the models cost, how they predict, where they differ, and how they were read."""
    rows = []
    quality = [own for own in _QUALITY if own in shown.frames.metrics]
    means = _means(shown, quality)
    for own in shown.frames.origins:
        size = _BYTES.get(own.info.dtype)
        known = size is not None and own.info.quantization is None
        rows.append(
            (
                plain(own.label),
                parameters_text(own.info.parameters),
                own.info.quantization or own.info.dtype,
                own.info.parameters * (size or 0) / 1e9 if known else float("nan"),
                float("nan") if own.memory is None else own.memory / 1e9,
                own.speed,
                own.seconds,
                *(means.get((own.label, metric), float("nan")) for metric in quality),
            )
        )
    columns = (*_COST, *(Column(_QUALITY[own], "number", decimals=3) for own in quality))
    cost = Table(key="models_cost", title="What they cost", parts=(Part.of(columns, rows),))
    said = [
        "Weights are what the parameters take in memory as loaded; the peak is the most that was "
        "held while a model was loaded and measured, by its CUDA devices or else by the process as "
        "a whole, libraries included. Tokens a second are of this "
        "run, with everything that was measured, on the machine that made it; between models of "
        "one run they compare, with other programs they do not."
    ]
    if not quality:
        said.append(
            "How well they predict was not measured: bits per byte and surprisal come with "
            "--metric prediction."
        )
    read = Fold("How they were read", (_read(shown),))
    return Section("models", "Models", (Prose(tuple(said)), cost, *_apart(shown), read))


def _means(shown: Shown, metrics: list[str]) -> dict[tuple[str, str], float]:
    if not metrics:
        return {}
    found = shown.frames.values(metrics)
    means = found.groupby(["model", "metric"], sort=False)["value"].mean()
    keys = means.index.to_frame(index=False).astype(str).itertuples(index=False, name=None)
    return dict(zip(keys, means.to_numpy(dtype="float64").tolist(), strict=True))


def _apart(shown: Shown) -> tuple[Section, ...]:
    """Return how far pairs of models lie apart, paired by prompt."""
    frames = shown.frames
    if len(frames.labels) < 2:
        return ()
    if not compares_models(frames):
        said = f"{MANY.format(models=len(frames.labels))}; this report then has it."
        said = f"{said[:1].upper()}{said[1:]}"
        return (Section("pairs_of_models", "How far they lie apart", (Prose((said,)),)),)
    found = frames.analysis.table("model_contrasts")
    if len(found):
        found = found[found["task"].isna() & found["low"].notna()]
        found = found[found["metric"].isin(HEADLINE)]
    if not len(found):
        return ()
    table = Table(
        key="model_pairs", title="Models apart", parts=(Part.of(_PAIRS, _rows(shown, found)),)
    )
    said = (
        "Paired: the difference of two models on the same prompt, and its mean over prompts, with "
        "its 95 % interval. Each model cuts a prompt into its own tokens. p counts all pairs and "
        "tasks of a metric (max-T)."
    )
    return (Section("pairs_of_models", "How far they lie apart", (Prose((said,)), table)),)


def _rows(shown: Shown, found: pd.DataFrame) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for row in map(higher_first, found.to_dict("records")):
        names = [plain(str(row[name])) for name in ("a", "b")]
        ends = [row[name] for name in ("difference", "low", "high", "hedges_g")]
        verdict = "clear" if row["p_max_t"] <= CHANCE and row["low"] >= 0 else "open"
        title = shown.labels.axis(str(row["metric"]))
        rows.append((title, *names, *ends, row["p_max_t"], int(row["n_a"]), verdict))
    return rows


def _read(shown: Shown) -> Table:
    rows = [
        (
            plain(own.label),
            plain(own.info.name),
            plain(own.info.revision or UNDEFINED),
            plain(own.info.family),
            own.info.stack_kind,
            own.info.layers,
            f"{own.info.heads} ({own.info.kv_heads})",
            own.info.hidden_size,
            own.info.attention or UNDEFINED,
            plain("; ".join(own.notes)) or UNDEFINED,
        )
        for own in shown.frames.origins
    ]
    return Table(key="models_read", title="How they were read", parts=(Part.of(_READ, rows),))
