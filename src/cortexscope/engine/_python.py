"""What the functions of Python share that measure: their arguments, and where the run is kept."""

from __future__ import annotations

import inspect
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cortexscope.engine._place import Place
from cortexscope.engine._request import Progress, RunRequest, Settings, Silent
from cortexscope.tasks import load_suite

__all__ = ["asked", "carried_out", "with_shared_arguments"]

_Made = TypeVar("_Made")
_Function = TypeVar("_Function", bound=Callable[..., object])

_SHARED = """\
    suite: what is read; whatever `load_suite` takes.
    columns: which of its columns is what, such as `text=question,task=Category`.
    template: the text with columns in braces, such as `Q: {question}`.
    tasks: only these tasks, all where None.
    controls: read these controls of each prompt too: `paraphrase`, `shuffled`, `random`.
    metrics: only these metrics or groups of metrics; the default panel, and the metrics of
        `plugins`, where None.
    plugins: Python files with metrics of your own.
    out: the run folder, or a URL that fsspec opens, such as `s3://bucket/run`: the run is written
        in the user's cache and uploaded as it grows; a temporary folder, gone with what is
        returned, where None.
    settings: dtype, device, batch size and the like.
    resume: continue the run in `out`, or start it.
    force: replace what is in `out`.
    selfcheck: check each model quickly before it is measured.
"""
_BEFORE = "    progress: "


def with_shared_arguments(function: _Function) -> _Function:
    """Say in a function's docstring, before `progress`, what the arguments of `asked` mean."""
    if function.__doc__ is not None:
        own = inspect.cleandoc(function.__doc__)
        function.__doc__ = own.replace(_BEFORE, _SHARED + _BEFORE)
    return function


def asked(
    models: Sequence[str],
    out: Path,
    *,
    suite: Any,  # noqa: ANN401 - whatever `load_suite` takes
    columns: str | Mapping[str, str] | None,
    template: str | None,
    tasks: Sequence[str] | None,
    controls: Sequence[str],
    metrics: Sequence[str] | None,
    plugins: Sequence[Path | str],
    settings: Settings | None,
    resume: bool,
    force: bool,
    selfcheck: bool,
) -> RunRequest:
    """Return the request that arguments of Python make.

    Raises:
        UsageError: if the suite cannot be read so.
    """
    return RunRequest(
        models=tuple(models),
        suite=load_suite(suite, columns=columns, template=template),
        tasks=None if tasks is None else tuple(tasks),
        controls=tuple(controls),
        metrics=None if metrics is None else tuple(metrics),
        plugins=tuple(plugins),
        out=out,
        settings=settings or Settings(),
        resume=resume,
        force=force,
        selfcheck=selfcheck,
    )


def carried_out(
    work: Callable[[Path, Progress], _Made],
    out: Path | str | None,
    progress: Progress | None,
    *,
    resume: bool,
    force: bool,
) -> _Made:
    """Return what is made of a run folder.

    Args:
        work: makes it, given the folder and the progress.
        out: the folder or a URL; a temporary folder, gone with what is made, where None.
        progress: told what happens.
        resume: whether a run there is continued.
        force: whether it is replaced.
    """
    progress = progress or Silent()
    if out is not None:
        place = Place(out)
        with place.written(resume=resume, force=force) as folder:
            return work(folder, place.told(progress))
    scratch = Path(tempfile.mkdtemp(prefix="cortexscope-"))
    try:
        made = work(scratch / "run", progress)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    weakref.finalize(made, shutil.rmtree, scratch, ignore_errors=True)
    return made
