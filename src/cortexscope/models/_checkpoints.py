"""Checkpoints of one training: which folders and revisions are some, and of which step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cortexscope.errors import ModelNotFoundError, UsageError

__all__ = ["Checkpoint", "checkpoint_at", "numbered", "path_of", "step_in", "written_out"]

_NAME = re.compile(r"(?:checkpoint|ckpt|global[-_]?step|step|iter)[-_]?(\d{1,18})", re.IGNORECASE)
# Such as `stage1-step140000-tokens294B`: what stands before is another training.
_REVISION = re.compile(rf"(?P<before>(?:.*?[-_/])??){_NAME.pattern}(?:[-_].*)?", re.IGNORECASE)
_MODEL = ("config.json", "adapter_config.json")
_SHOWN = 6


class Checkpoint(NamedTuple):
    """A state of a model while it was trained."""

    of: str
    """What it is a checkpoint of: the same text for all of one training."""
    step: int
    """How many updates of the weights were made before."""


def numbered(name: str) -> int | None:
    """Return the step that a folder's name tells, None where it tells none.

    Example:
        >>> numbered("checkpoint-500"), numbered("step1000"), numbered("step-by-step")
        (500, 1000, None)
    """
    match = _NAME.fullmatch(name)
    return None if match is None else int(match[1])


def step_in(revision: str | None) -> tuple[str, int] | None:
    """Return the step that a revision tells, and what stands before it; None where it tells none.

    Example:
        >>> step_in("step1000"), step_in("stage1-step5-tokens1B"), step_in("main")
        (('', 1000), ('stage1', 5), None)
    """
    match = _REVISION.fullmatch(revision or "")
    return None if match is None else (match["before"].rstrip("-_/"), int(match[2]))


def _steps_in(folder: Path) -> dict[int, Path]:
    """Return the folders of checkpoints that are in a folder, by their step, in its order."""
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return {}
    found = {step: path for path in inside if (step := numbered(path.name)) is not None}
    return dict(sorted(found.items()))


def checkpoint_at(text: str) -> Path | None:
    """Return the folder that `FOLDER@STEP` names; None where a folder has no checkpoints at all.

    Raises:
        ModelNotFoundError: if it has others.
    """
    folder, at, name = text.rpartition("@")
    steps = _steps_in(path_of(folder)) if at else {}
    if not steps:
        return None
    for step, path in steps.items():
        if name == path.name or (name.isascii() and name.isdigit() and int(name) == step):
            return path
    shown = ", ".join(map(str, [*steps][:_SHOWN])) + (", ..." if len(steps) > _SHOWN else "")
    raise ModelNotFoundError(
        f"{folder} has no checkpoint {name!r}; it has those of step {shown}, and {folder}@* is all."
    )


def written_out(text: str) -> Iterator[str]:
    """Yield a reference to each checkpoint that a folder holds, in the order of steps.

    Such a folder is meant by `FOLDER@*`, or by `FOLDER` where it is no model itself; both also as
    an adapter. Nothing is yielded where no such folder is meant.

    Args:
        text: a reference without label and change.

    Raises:
        UsageError: if all checkpoints of what has none are asked for.
    """
    cuts = [0, *(place + 1 for place, mark in enumerate(text) if mark == "+")]
    for cut in cuts:
        name = text[cut:].removesuffix("@*")
        every = name != text[cut:]
        folder = path_of(name)
        if not folder.is_dir():
            continue
        steps = _steps_in(folder)
        if every and not steps:
            raise UsageError(
                f"{name} holds no checkpoints, which are folders such as checkpoint-500; give a "
                "folder that a training wrote."
            )
        if every or not any((folder / own).is_file() for own in _MODEL):
            yield from (f"{text[:cut]}{name}@{step}" for step in steps)
        return
    if text.endswith("@*"):
        raise UsageError(
            f"{text} names no folder; of a model of the hub write each revision, such as "
            f"{text.removesuffix('@*')}@step1000."
        )


def path_of(text: str) -> Path:
    """Return the path that a text may be, one that exists nowhere if it can be none."""
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError):
        return Path(".no-such-path") / "at-all"
    return path
