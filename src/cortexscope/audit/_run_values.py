"""A run's values of the study's metrics, one a model and prompt, as statistics take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cortexscope.analysis import coded_values, metrics_with_values, without_controls
from cortexscope.audit._checkpoints import is_checkpoint
from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._grid import Cell
from cortexscope.audit._records import OTHER_MODELS, STUDY_MODELS, Source
from cortexscope.audit._words import spoken
from cortexscope.errors import UsageError
from cortexscope.metrics import STUDY
from cortexscope.records import ModelInfo
from cortexscope.stats import pearson
from cortexscope.store import Measurements, Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunValues", "read_run"]

_FAIR = {"Attention_Entropy": "attention_entropy_normalized"}
"""The version that does not grow with the prompt by definition, where there is one."""


@dataclass(frozen=True, slots=True, eq=False)
class RunValues:
    """What an audit needs of a run, or of several read together."""

    name: str
    """Of the folder, or of each."""
    models: tuple[ModelInfo, ...]
    frames: Mapping[str, pd.DataFrame]
    """By metric, those with a defined value only: model, task, prompt_id, cluster, n_tokens,
    value (the mean over layers and heads; NaN where undefined). Names are categories."""
    missing: Mapping[str, str]
    """Why a metric has no frame."""
    facts: Mapping[str, str]
    """What was run, in words."""
    against: Source = OTHER_MODELS
    """Which of its models these are."""
    hubs: Mapping[str, str] = field(default_factory=dict)
    """Hub ids of the study's models, by the study's label."""

    def parts(self, hubs: Mapping[str, str]) -> tuple[RunValues, ...]:
        """Return the models that are the study's, and the others; each only where there are any."""
        named = [self.named(hub) for hub in hubs.values()]
        known = [info for info in self.models if info.model in named]
        others = [info for info in self.models if info.model not in named]
        return tuple(
            self._only(infos, against, hubs)
            for infos, against in ((known, STUDY_MODELS), (others, OTHER_MODELS))
            if infos
        )

    def _only(
        self, infos: Sequence[ModelInfo], against: Source, hubs: Mapping[str, str]
    ) -> RunValues:
        labels = [info.model for info in infos]
        own = {metric: frame[frame["model"].isin(labels)] for metric, frame in self.frames.items()}
        frames = {metric: frame for metric, frame in own.items() if len(frame)}
        gone = dict.fromkeys(self.frames.keys() - frames, "no value in these models")
        return replace(
            self, models=tuple(infos), frames=frames, missing={**self.missing, **gone},
            against=against, hubs=hubs,
        )  # fmt: skip

    def by_magnitude(self, column: str) -> RunValues:
        """Return it with the magnitudes of one of the study's columns."""
        frame = self.of(column)
        if frame is None:
            return self
        sizes = frame.assign(value=frame["value"].abs())
        return replace(self, frames={**self.frames, STUDY[column]: sizes})

    def of_models(self, names: Sequence[str]) -> RunValues:
        """Return it with some of the study's models only, those that it has."""
        labels = [label for name, label in self.of_study().items() if name in names]
        infos = [info for info in self.models if info.model in labels]
        return self._only(infos, self.against, self.hubs)

    def evidence(self, study: Evidence | None) -> Evidence:
        """Return its means of models and tasks, as those of the published Table 1."""
        frames = {column: frame for column in STUDY if (frame := self.of(column)) is not None}
        prompts = {column: _by_prompt(frame) for column, frame in frames.items()}
        return Evidence(
            against=self.against,
            facts={
                info.model: {
                    "Architecture": str(info.stack_kind),
                    "Parameters": str(info.parameters),
                }
                for info in self.models
            },
            counts={},
            models={
                column: {str(model): Known(float(own.mean())) for model, own in table.items()}
                for column, table in prompts.items()
                if len(table)
            },
            tasks={},
            cells={column: self._cells(frame) for column, frame in frames.items()},
            run=self,
            prompts=prompts,
            study=study,
        )

    def _cells(self, frame: pd.DataFrame) -> dict[Cell, float]:
        names = {label: model for model, label in self.of_study().items()}
        means = (
            frame.groupby(["model", "task"], observed=True)["value"].mean().dropna().reset_index()
        )
        return {
            (names.get(label, str(label)), str(task)): float(value)
            for label, task, value in means.itertuples(index=False)
        }

    def of_study(self, column: str | None = None) -> dict[str, str]:
        """Return the run's labels of the study's models that it has, by the study's.

        Args:
            column: only models that have a value of it.
        """
        found = {model: self.named(hub) for model, hub in self.hubs.items()}
        known = {model: label for model, label in found.items() if label is not None}
        if column is None:
            return known
        frame = self.of(column)
        measured = set() if frame is None else set(frame.loc[frame["value"].notna(), "model"])
        return {model: label for model, label in known.items() if label in measured}

    def without(self, column: str) -> str:
        """Return why there is no value of one of the study's columns, in a sentence."""
        why = self.missing.get(STUDY.get(column, ""), "was not measured")
        return f"The run has no {spoken(column)}: {why}."

    def of(self, column: str, *, fair: bool = False) -> pd.DataFrame | None:
        """Return the values of one of the study's columns, or of its fair version."""
        return self.frames.get((_FAIR if fair else STUDY).get(column, ""))

    def info(self, label: str) -> ModelInfo:
        """Return what is known of a model."""
        return next(info for info in self.models if info.model == label)

    def named(self, hub: str) -> str | None:
        """Return the run's label of a model of the hub; None where the run does not have it."""
        return next((info.model for info in self.models if is_checkpoint(info, hub)), None)


def read_run(given: Path | Run | Measurements) -> RunValues:
    """Return the values of the study's metrics of a run or several, finished or not.

    Prompts whose words are shuffled, and random tokens, are left out; a paraphrase is of one
    cluster with its source.

    Raises:
        StoreError: if the folder holds no run, or it is damaged.
        UsageError: if none of the study's metrics was measured.
    """
    run = Measurements.of(given)
    wanted = (*STUDY.values(), *_FAIR.values())
    measured = metrics_with_values(run, metrics=wanted)
    values = coded_values(run, measured) if measured else None
    frames, missing = {}, {}
    for metric in wanted:
        frame = None if values is None else values[values["metric"] == metric]
        if frame is not None and frame["value"].notna().any():
            read = without_controls(frame)
            frames[metric] = read.drop(columns=["metric", "kind"]).reset_index(drop=True)
        else:
            missing[metric] = "; ".join(run.reasons(metric)) or "was not measured"
    if not set(frames) & set(STUDY.values()):
        raise UsageError(
            f"The run in {run} has no value of the study's metrics "
            f"({', '.join(STUDY.values())}), so its claims cannot be checked against it; run "
            "again without --metric, or with --metric study."
        )
    infos = (info for own in run.runs for info in own.manifest.models)
    return RunValues(
        name=", ".join(own.path.name for own in run.runs),
        models=tuple(
            info.model_copy(update={"model": label})
            for label, info in zip(run.labels, infos, strict=True)
        ),
        frames=frames,
        missing=missing,
        facts=_facts(run, frames),
    )


def _by_prompt(frame: pd.DataFrame) -> pd.DataFrame:
    """Return values by prompt and model, of prompts that all models have a value for."""
    table = frame.pivot(index=["cluster", "prompt_id"], columns="model", values="value")
    return table.dropna(axis=1, how="all").dropna()


def _facts(run: Measurements, frames: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    manifests = [own.manifest for own in run.runs]
    suites = dict.fromkeys(f"{own.suite.name} {own.suite.version}" for own in manifests)
    frame = next(iter(frames.values()))
    facts = {
        "Models": ", ".join(run.labels),
        "Suite": ", ".join(suites),
        "Prompts": f"{frame['cluster'].nunique()} in {frame['task'].nunique()} tasks",
    }
    if any(own.status != "complete" for own in manifests):
        facts["State"] = "not finished; what is measured so far is used"
    entropy = frames.get(STUDY["Attention_Entropy"])
    for label, own in (
        () if entropy is None else entropy.groupby("model", sort=False, observed=True)
    ):
        found = pearson(own["n_tokens"].to_numpy("float64"), own["value"].to_numpy())
        name = f"Study's attention entropy with the number of tokens, {label}"
        facts[name] = f"r = {found:.3f}, n = {found.n}"
    return facts
