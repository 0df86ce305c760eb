"""The statistics of a run, made of nothing but its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortexscope._version import __version__
from cortexscope.analysis._controls import control_effects
from cortexscope.analysis._effects import effects
from cortexscope.analysis._focus import contrasts, depth_and_heads, mixed_models
from cortexscope.analysis._layers import NO_NEURONS, NO_STATES, layer_tables, selective_neurons
from cortexscope.analysis._leaders import leaders, means_by_task
from cortexscope.analysis._scopes import STANDARDISED, bounds_of, stream, with_units
from cortexscope.analysis._settings import ABOUT, Settings
from cortexscope.analysis._values import (
    metrics_with_values,
    prompt_values,
    without_controls,
)
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.files import as_csv, whole_file
from cortexscope.registry import suggestion
from cortexscope.stats import power_of, prompts_needed, summary, variance_explained
from cortexscope.store import Measurements, Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FOCUS", "TABLES", "Analysis", "analyse"]

FOCUS = (
    "study.attention_entropy",
    "study.max_sparsity",
    "attention_entropy_normalized",
    "attention_sink_mass",
    "residual_norm",
    "near_zero_fraction",
)
"""The metrics that are looked at closely where none is named."""

TABLES = {
    "values": "a value of each metric for each model and prompt, which all else is made of",
    "summary": "mean, sd, n, median and trimmed mean of each task and model, with intervals",
    "effects": "the effect of the task and of the model: raw, at equal lengths, matched",
    "means": "each task's mean, raw and at equal lengths, with intervals; of all models in "
    "standard deviations",
    "leaders": "the task with the highest mean, and whether that outlives length control",
    "variance": "how much of the variance model, task, length and prompt explain, in each model, "
    "and over all of them standardised and in the metric's unit",
    "controls": "what shuffled words, random tokens and other words do to each metric",
    "power": "how likely effects of some sizes are to be found, and how many prompts that takes",
    "task_contrasts": "every pair of tasks, raw and at equal lengths, in each model and over all "
    "of them standardised",
    "model_contrasts": "every pair of models over the prompts that both read",
    "mixed": "linear mixed models with and without length, and their assumptions",
    "depth": "where along depth the highest task differs from the next",
    "heads": "which heads differ between these two tasks",
    "selective": "the heads that tell each task from the others, judged on other prompts",
    "probes": "how well each layer tells the tasks apart",
    "probe_baselines": "how well length and words alone do, and the best layer on fresh prompts",
    "silhouettes": "how far apart the tasks lie in each layer",
    "similarity": "how alike the layers of a model, and of two models, see the prompts",
    "selective_neurons": "the neurons that tell each task from the others, judged on other prompts",
}
"""What each table holds."""

_EFFECTS = (0.2, 0.5, 0.8, 1.2)


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """The statistics of a run."""

    tables: Mapping[str, pd.DataFrame]
    """By the names in `TABLES`; empty where there is nothing, and `missing` says why."""
    missing: Mapping[str, str]
    focus: tuple[str, ...]
    """The metrics that were looked at closely."""
    settings: Settings
    run: Mapping[str, Any]
    """Which run this is of."""

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write a CSV file a table and `stats.json`, which says what they are; return the paths.

        Raises:
            StoreError: if they cannot be written.
        """
        paths = []
        for name, table in self.tables.items():
            file = folder / f"{name}.csv"
            if table.empty:
                file.unlink(missing_ok=True)
                continue
            with whole_file(file) as part:
                part.write_text(as_csv(table), encoding="utf-8")
            paths.append(file)
        about = {
            "cortexscope": __version__,
            **self.run,
            **asdict(self.settings),
            "focus": list(self.focus),
            "tables": {path.stem: TABLES[path.stem] for path in paths},
            "missing": dict(self.missing),
        }
        with whole_file(folder / ABOUT) as part:
            part.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        return (*paths, folder / ABOUT)


def analyse(
    run: Run | Measurements,
    *,
    metrics: Collection[str] | None = None,
    seed: int = 0,
    resamples: int = 2000,
    permutations: int = 2000,
    note: Callable[[str], None] = lambda _: None,
) -> Analysis:
    """Return the statistics of a run.

    The prompt is the unit; paraphrases of one are one cluster. Tables of all metrics, of a few
    metrics closely (those named, or of `FOCUS` what was measured), and of the layers' states.

    Args:
        run: one, finished or not, or the measurements of several.
        metrics: only these, all where None; those named are looked at closely.
        seed: of everything that is drawn.
        resamples: how many an interval takes.
        permutations: how many a p-value takes.
        note: told what comes next.

    Raises:
        UnknownNameError: if a metric was not measured, or has not one number a prompt.
        UsageError: if the run has no values, or a number is below 1.
    """
    from threadpoolctl import threadpool_limits

    if min(resamples, permutations) < 1:
        raise UsageError("Resamples and permutations must be at least 1.")
    # Many small products: threads of each cost more than they save.
    with threadpool_limits(1):
        return _analysed(Measurements.of(run), metrics, seed, resamples, permutations, note)


def _analysed(
    measured: Measurements,
    metrics: Collection[str] | None,
    seed: int,
    resamples: int,
    permutations: int,
    note: Callable[[str], None],
) -> Analysis:
    names = _chosen(measured, metrics)
    usual = tuple(name for name in FOCUS if name in names) or names[: len(FOCUS)]
    focus = usual if metrics is None else names
    note(f"reading {len(names)} metrics")
    values = prompt_values(measured, names)
    read = without_controls(values)
    tables: dict[str, pd.DataFrame] = {"values": values}
    note("intervals, effects of tasks and models")
    tables["summary"] = _summaries(read, seed, resamples)
    tables["effects"] = effects(read, seed=seed, permutations=permutations)
    close = read[read["metric"].isin(focus)]
    tables["means"] = means_by_task(close)
    tables["leaders"] = leaders(close)
    tables["variance"] = _variance(read)
    tables["controls"] = control_effects(values, seed=seed, resamples=resamples)
    tables["power"] = _power(read)
    note(f"a closer look at {', '.join(focus)}")
    tables |= contrasts(close, seed=seed, permutations=permutations)
    tables["mixed"] = mixed_models(close)
    tables |= depth_and_heads(measured, tables["leaders"], seed=seed, permutations=permutations)
    tables |= layer_tables(measured, seed=seed, permutations=min(permutations, 500), note=note)
    tables["selective_neurons"] = selective_neurons(measured, seed=seed, note=note)
    return Analysis(
        tables={name: tables[name] for name in TABLES},
        missing=_missing(measured, tables),
        focus=focus,
        settings=Settings(seed, resamples, permutations),
        run={"run": str(measured), "suite": measured.runs[0].manifest.suite.model_dump()},
    )


def _chosen(measured: Measurements, metrics: Collection[str] | None) -> tuple[str, ...]:
    known = metrics_with_values(measured)
    if not known:
        raise UsageError(
            f"{measured} has no metric with one number a prompt; let a run measure some, such as "
            "--metric default."
        )
    if metrics is None:
        return known
    groups = {spec.group for name, spec in measured.specs.items() if name in known}
    for name in metrics:
        if name not in known and name not in groups:
            raise UnknownNameError(
                f"{measured} has no metric or group {name!r} with one number a prompt; "
                f"{suggestion(name, (*known, *groups))}"
            )
    return tuple(name for name in known if name in metrics or measured.specs[name].group in metrics)


def _summaries(values: pd.DataFrame, seed: int, resamples: int) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for metric, frame in values.groupby("metric", sort=False):
        rng = stream(seed, "summary", str(metric))
        part = summary(frame, rng=rng, resamples=resamples, bounds=bounds_of(frame))
        part.insert(0, "metric", metric)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _variance(values: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for metric, scope, frame in with_units(values):
        part = variance_explained(frame, standardised=scope == STANDARDISED)
        part.insert(0, "metric", metric)
        part.insert(1, "scope", scope)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _power(values: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    prompts = values.drop_duplicates("cluster").groupby("task").size()
    rows = []
    for paired, compared, n in (
        (False, "two tasks", int(prompts.min())),
        (True, "two models over one task", int(prompts.min())),
        (True, "two models over all tasks", int(prompts.sum())),
    ):
        for effect in _EFFECTS:
            power = power_of(n, effect, paired=paired) if n > 1 else None
            needed = prompts_needed(effect, paired=paired)
            rows.append((compared, effect, n, power, needed))
    columns = ["compared", "effect_sd", "prompts", "power", "prompts_for_80_percent"]
    return pd.DataFrame(rows, columns=columns)


def _missing(measured: Measurements, tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    no_places = "no metric that was looked at closely has values of {}"
    why = {
        "controls": "the run read no controls; run with --control shuffled --control random",
        "model_contrasts": "the run has one model",
        "depth": no_places.format("layers"),
        "heads": no_places.format("heads"),
        "selective": no_places.format("heads"),
        "selective_neurons": NO_NEURONS
        if not any(run.manifest.settings.get("keep_neurons") for run in measured.runs)
        else "no model has an MLP whose neurons can be seen",
        **dict.fromkeys(("probes", "probe_baselines", "silhouettes", "similarity"), NO_STATES),
    }
    if tables["values"]["task"].nunique() < 2:
        why |= dict.fromkeys(("task_contrasts", "depth", "heads", "selective"), "there is one task")
    return {
        name: why.get(name, "no metric was looked at closely")
        for name in TABLES
        if tables[name].empty
    }
