"""Compare models from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cortexscope.comparing._compare import Extras, compare_request
from cortexscope.comparing._comparison import Comparison
from cortexscope.engine import Progress, Settings, asked, carried_out, with_shared_arguments
from cortexscope.report.compared import MARGIN

__all__ = ["compare"]


@with_shared_arguments
def compare(  # noqa: D417 - the decorator says the others
    a: str,
    *others: str,
    suite: Any = "cognitive",  # noqa: ANN401 - whatever `load_suite` takes
    columns: str | Mapping[str, str] | None = None,
    template: str | None = None,
    tasks: Sequence[str] | None = None,
    controls: Sequence[str] = (),
    metrics: Sequence[str] | None = None,
    plugins: Sequence[Path | str] = (),
    baseline: str | None = None,
    noise_floor: bool = False,
    margin: int | float = MARGIN,
    save_baseline: Path | str | None = None,
    out: Path | str | None = None,
    settings: Settings | None = None,
    resume: bool = False,
    force: bool = False,
    selfcheck: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """Compare models with the first: what they predict, what they hold, and every metric.

    Args:
        a: a model reference, such as `demo-decoder`, the folder of a run, or a folder of
            checkpoints.
        others: further ones of the same kind, such as `tuned=./folder`.
        baseline: the label of the model that the others are compared with, or a file that
            `save_baseline` wrote; where None the first model, or the last checkpoint where all are
            of one training.
        noise_floor: compare the baseline with itself in bfloat16 too.
        margin: bits per byte by which a model may be worse and still pass for as good.
        save_baseline: a file for what the baseline predicts, to compare with it without the model.
        progress: told what happens.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model cannot be read or fails.
        StoreError: if a folder cannot be read or written.
    """
    extras = Extras(
        baseline=baseline,
        noise_floor=noise_floor,
        margin=margin,
        save_baseline=None if save_baseline is None else Path(save_baseline),
    )

    def work(folder: Path, progress: Progress) -> Comparison:
        request = asked(
            (),
            folder,
            suite=suite,
            columns=columns,
            template=template,
            tasks=tasks,
            controls=controls,
            metrics=metrics,
            plugins=plugins,
            settings=settings,
            resume=resume,
            force=force,
            selfcheck=selfcheck,
        )
        request = replace(request, fail_fast=True)
        return compare_request((a, *others), request, extras, progress)

    return carried_out(work, out, progress, resume=resume, force=force)
