"""Compare models from Python."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cortexscope.comparing._compare import Extras, compare_request
from cortexscope.comparing._comparison import Comparison
from cortexscope.engine import Progress, RunRequest, Settings
from cortexscope.report.compared import MARGIN
from cortexscope.tasks import load_suite

__all__ = ["compare"]


def compare(
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
        suite: what they read; whatever `load_suite` takes.
        columns: which of its columns is what.
        template: the text with columns in braces.
        tasks: only these tasks, all where None.
        controls: read these controls of each prompt too.
        metrics: only these metrics or groups, and bits per byte; the default panel where None.
        plugins: Python files with metrics of your own.
        baseline: the label of the model that the others are compared with, or a file that
            `save_baseline` wrote; where None the first model, or the last checkpoint where all are
            of one training.
        noise_floor: compare the baseline with itself in bfloat16 too.
        margin: bits per byte by which a model may be worse and still pass for as good.
        save_baseline: a file for what the baseline predicts, to compare with it without the model.
        out: the run folder; a temporary one, gone with the comparison, where None.
        settings: dtype, device, batch size and the like.
        resume: continue the comparison in `out`, or start it.
        force: replace what is in `out`.
        selfcheck: check each model quickly before it is measured.
        progress: told what happens.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model cannot be read or fails.
        StoreError: if a folder cannot be read or written.
    """
    scratch = None
    if out is None:
        scratch = Path(tempfile.mkdtemp(prefix="cortexscope-"))
        out = scratch / "run"
    request = RunRequest(
        models=(),
        suite=load_suite(suite, columns=columns, template=template),
        tasks=None if tasks is None else tuple(tasks),
        controls=tuple(controls),
        metrics=None if metrics is None else tuple(metrics),
        plugins=tuple(plugins),
        out=Path(out),
        settings=settings or Settings(),
        resume=resume,
        force=force,
        fail_fast=True,
        selfcheck=selfcheck,
    )
    extras = Extras(
        baseline=baseline,
        noise_floor=noise_floor,
        margin=margin,
        save_baseline=None if save_baseline is None else Path(save_baseline),
    )
    try:
        found = compare_request((a, *others), request, extras, progress)
    except BaseException:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        raise
    if scratch is not None:
        weakref.finalize(found, shutil.rmtree, scratch, ignore_errors=True)
    return found
