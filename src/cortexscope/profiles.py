"""Measure models on a suite from Python, and read what was measured."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortexscope.engine import (
    Generation,
    Progress,
    Settings,
    asked,
    carried_out,
    run,
    with_shared_arguments,
)
from cortexscope.notebook import NotebookBar, facts_as_html, in_notebook
from cortexscope.records import Manifest
from cortexscope.store import Run, table_with_attributes, to_polars, with_attributes
from cortexscope.texts import plain

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["Profile", "open_profile", "profile"]

_SHOWN = 8
"""Metrics that a notebook names."""


@with_shared_arguments
def profile(  # noqa: D417 - the decorator says the others
    models: str | Sequence[str],
    suite: Any = "cognitive",  # noqa: ANN401 - whatever `load_suite` takes
    *,
    columns: str | Mapping[str, str] | None = None,
    template: str | None = None,
    tasks: Sequence[str] | None = None,
    controls: Sequence[str] = (),
    generate: Generation | int | None = None,
    metrics: Sequence[str] | None = None,
    plugins: Sequence[Path | str] = (),
    attention: str | None = None,
    out: Path | str | None = None,
    settings: Settings | None = None,
    resume: bool = False,
    force: bool = False,
    selfcheck: bool = True,
    backend: str = "local",
    workers: int | None = None,
    address: str | None = None,
    progress: Progress | None = None,
) -> Profile:
    """Measure models on a suite of prompts and return what was measured.

    Args:
        models: one model reference or several, such as `demo-decoder` or `mine=./folder`.
        generate: let the models go on after each prompt, by so many likeliest tokens or as a
            `Generation` says, and measure each token that they then read; what `settings` say
            where None.
        attention: how attention is computed, `sdpa` or `eager`; what `settings` say where None.
        backend: who does the work, `local` or `ray`.
        workers: how many shards are measured at a time, each by a process that has the model in
            memory; one, or what suits the cluster, where None. `settings` may give their threads.
        address: of the Ray cluster; `RAY_ADDRESS`, or one started on this machine, where None.
        progress: told what happens. Where None, a notebook shows a bar, and else nothing is shown.

    A metric of a plug-in that fails has no values, which a warning says.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model cannot be read or fails.
        StoreError: if the folder cannot be written.
    """
    chosen = settings or Settings()
    if generate is not None:
        go_on = Generation(tokens=generate) if isinstance(generate, int) else generate
        chosen = replace(chosen, generate=go_on)
    if attention is not None:
        chosen = replace(chosen, loading=replace(chosen.loading, attention=attention))
    if progress is None and in_notebook():
        progress = NotebookBar()

    def work(folder: Path, progress: Progress) -> Profile:
        request = asked(
            (models,) if isinstance(models, str) else models,
            folder,
            suite=suite,
            columns=columns,
            template=template,
            tasks=tasks,
            controls=controls,
            metrics=metrics,
            plugins=plugins,
            settings=chosen,
            resume=resume,
            force=force,
            selfcheck=selfcheck,
        )
        request = replace(request, backend=backend, workers=workers, address=address)
        return Profile(run(request, progress))

    measured = carried_out(work, out, progress, resume=resume, force=force)
    if measured.manifest.failed:
        for sentence in measured._run.remarks:
            warnings.warn(plain(sentence), stacklevel=2)
    return measured


def open_profile(path: Path | str) -> Profile:
    """Return what an earlier run measured; `path` is its folder.

    A warning says if the run is not finished, or its folder lacks some or holds other files.

    Raises:
        StoreError: if there is no run in the folder.
    """
    run = Run(path)
    for sentence in run.remarks:
        warnings.warn(plain(sentence), stacklevel=2)
    return Profile(run)


class Profile:
    """What a run measured: frames, tables, figures and the report, all read from its folder."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __repr__(self) -> str:
        manifest = self.manifest
        labels = ", ".join(info.model for info in manifest.models)
        return (
            f"<Profile of {labels} on {manifest.suite.prompts} prompts of {manifest.suite.name}, "
            f"{len(manifest.metrics)} metrics, in {self.path}>"
        )

    def _repr_html_(self) -> str:
        manifest, metrics = self.manifest, list(self.manifest.metrics)
        more = f" and {len(metrics) - _SHOWN} more" if metrics[_SHOWN:] else ""
        suite = f"{manifest.suite.name}: {manifest.suite.prompts:,} prompts"
        facts = [
            ("models", ", ".join(info.model for info in manifest.models)),
            ("suite", f"{suite} of {len(manifest.suite.tasks)} tasks"),
            ("metrics", ", ".join(metrics[:_SHOWN]) + more),
            ("folder", str(self.path)),
            ("next", ".table(1), .plot(), .frame(METRIC), .statistics(TABLE), .report()"),
        ]
        if manifest.status != "complete":
            failed = f"failed: {', '.join(manifest.failed)}"
            facts.insert(0, ("status", failed if manifest.status == "failed" else "not finished"))
        return facts_as_html("Profile", facts)

    @property
    def path(self) -> Path:
        """The run folder."""
        return self._run.path

    @property
    def manifest(self) -> Manifest:
        """What was asked and what ran."""
        return self._run.manifest

    def frame(
        self,
        metrics: Sequence[str] | str | None = None,
        *,
        models: Sequence[str] | str | None = None,
        controls: bool = False,
        steps: bool = False,
    ) -> pd.DataFrame:
        """Return measurements as a pandas frame, one value a row.

        Where the prompts have columns of the user's own, each follows as `attributes.NAME`.

        Args:
            metrics: only these, all where None.
            models: labels; only these, all where None.
            controls: those of controls too.
            steps: those of generated tokens too, which have a number in the column `step`.

        Raises:
            UnknownNameError: for a metric or model that the run has not.
            CorruptRunError: if the run lacks some, or a file is damaged.
        """
        frame = self._run.measurements(
            metrics=_names(metrics), models=_names(models), controls=controls, steps=steps
        )
        return with_attributes(frame, self._run.prompts())

    def frame_polars(
        self,
        metrics: Sequence[str] | str | None = None,
        *,
        models: Sequence[str] | str | None = None,
        controls: bool = False,
        steps: bool = False,
    ) -> pl.DataFrame:
        """Return measurements as a polars frame, one value a row; its arguments are `frame`'s.

        Raises:
            UsageError: if polars is not installed.
            UnknownNameError: for a metric or model that the run has not.
            CorruptRunError: if the run lacks some, or a file is damaged.
        """
        table = self._run.measurements_table(
            metrics=_names(metrics), models=_names(models), controls=controls, steps=steps
        )
        return to_polars(table_with_attributes(table, self._run.prompts()))

    def generations(self) -> pd.DataFrame:
        """Return what the models added to the prompts, one text a row."""
        return self._run.generations()

    def prompts(self) -> pd.DataFrame:
        """Return the prompts that were read."""
        return self._run.prompts()

    def models(self) -> pd.DataFrame:
        """Return the models that read them."""
        return self._run.models()

    def table(self, name: int | str = 1) -> pd.DataFrame:
        """Return a table of this run: by number, 1 to 6 in the study's layout, or by key.

        Raises:
            UnknownNameError: if there is no such table.
        """
        from cortexscope.report import build_tables

        (table,) = build_tables(self._run, only=[name])
        return table.frame

    def statistics(
        self, name: str = "effects", *, by: str = "task", within: str | None = None
    ) -> pd.DataFrame:
        """Return a table of the run's statistics: those of `cortexscope stats`, to the last digit.

        It is made when it is first asked for, and kept in the run folder.

        Args:
            name: of `cortexscope.analysis.TABLES`; `slopes` where `by` is a number.
            by: what prompts are told apart by, their `task` or a column of the user's own.
            within: `task` to compare groups inside of tasks alone.

        Raises:
            UnknownNameError: if there is no such table or column.
            UsageError: if a column cannot be taken so.
        """
        from cortexscope.analysis import Analysis

        return Analysis(self._run, by=by, within=within).table(name)

    def plot(self, name: str = "task_map") -> Figure:
        """Return a figure of this run, drawn by matplotlib: task_map, length or depth.

        A run with mixtures of experts has the figure `experts` too.

        Raises:
            UnknownNameError: if there is no such figure.
        """
        from cortexscope.document import draw
        from cortexscope.report import build_figures

        (figure,) = build_figures(self._run, only=[name])
        return draw(figure)

    def report(self) -> Path:
        """Write tables, figures and report.html into the run folder; return the report's path."""
        from cortexscope.report import write_report

        return write_report(self._run).report


def _names(names: Sequence[str] | str | None) -> Sequence[str] | None:
    return [names] if isinstance(names, str) else names
