"""Take parts out of a model from Python."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cortexscope.engine import Progress, RunRequest, Settings
from cortexscope.lesioning._lesion import Asked, lesion_request
from cortexscope.lesioning._lesions import Lesions
from cortexscope.tasks import load_suite

__all__ = ["lesion"]


def lesion(
    model: str,
    *,
    part: str | Sequence[str] = "layers",
    loss: str = "surprisal",
    top: int = 20,
    suite: Any = "cognitive",  # noqa: ANN401 - whatever `load_suite` takes
    columns: str | Mapping[str, str] | None = None,
    template: str | None = None,
    tasks: Sequence[str] | None = None,
    controls: Sequence[str] = (),
    metrics: Sequence[str] | None = None,
    plugins: Sequence[Path | str] = (),
    out: Path | str | None = None,
    settings: Settings | None = None,
    resume: bool = False,
    force: bool = False,
    selfcheck: bool = True,
    progress: Progress | None = None,
) -> Lesions:
    """Take the parts of a model out one by one, and measure what each is needed for.

    The model is measured as it is first, as by `profile`, so that metrics can be held against what
    parts are needed for.

    Args:
        model: a model reference, such as `demo-decoder`.
        part: `layers`, `attention`, `mlp`, `heads`, `neurons` or `experts`, or several of them.
        loss: what findings judge parts by: `surprisal`, the change of bits per byte, or `kl`, the
            divergence from the intact model's predictions, which are both measured in any case; or
            a metric, which is then measured without each part too.
        top: of heads and of neurons, how many are taken out: the foremost of all by estimate.
        suite: what the model reads; whatever `load_suite` takes.
        columns: which of its columns is what.
        template: the text with columns in braces.
        tasks: only these tasks, all where None.
        controls: read these controls of each prompt too.
        metrics: only these metrics or groups; the default panel where None.
        plugins: Python files with metrics of your own.
        out: the run folder; a temporary one, gone with what is returned, where None.
        settings: dtype, device, batch size and the like.
        resume: continue what is in `out`, or start it.
        force: replace what is in `out`.
        selfcheck: check the model quickly before it is measured.
        progress: told what happens.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if the model cannot be read or fails.
        StoreError: if the folder cannot be read or written.
    """
    asked = Asked(kinds=(part,) if isinstance(part, str) else tuple(part), loss=loss, top=top)
    scratch = None
    if out is None:
        scratch = Path(tempfile.mkdtemp(prefix="cortexscope-"))
        out = scratch / "run"
    request = RunRequest(
        models=(model,),
        suite=load_suite(suite, columns=columns, template=template),
        tasks=None if tasks is None else tuple(tasks),
        controls=tuple(controls),
        metrics=None if metrics is None else tuple(metrics),
        plugins=tuple(plugins),
        out=Path(out),
        settings=settings or Settings(),
        resume=resume,
        force=force,
        selfcheck=selfcheck,
    )
    try:
        found = lesion_request(request, asked, progress)
    except BaseException:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        raise
    if scratch is not None:
        weakref.finalize(found, shutil.rmtree, scratch, ignore_errors=True)
    return found
