"""Read every file of a run whole, say what is wrong, and set aside what cannot be trusted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cortexscope.errors import CorruptRunError
from cortexscope.files import is_leftover, remove_leftovers, storage_errors
from cortexscope.records import Prompt, suite_hash
from cortexscope.store._attributes import read_prompts
from cortexscope.store._contents import FileFault, read_columns
from cortexscope.store._layout import LOCK, Layout
from cortexscope.store._lock import RunLock, check_unlocked
from cortexscope.store._manifest import MANIFEST, is_restorable, read_manifest, restore_manifest
from cortexscope.store._reader import Run
from cortexscope.store._repair import faults_of, whole_fault
from cortexscope.store._schema import MODELS

__all__ = ["DAMAGED", "Trouble", "examine", "repair"]

DAMAGED = "damaged"
"""The folder of a run that holds what was set aside."""

_AGAIN = "`cortexscope run` with --resume, asked for the same, measures that again"
_BACK = "--repair puts the copy of it back"
_WRITES = "`cortexscope run` with --resume, asked for the same, writes it again"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong with a run folder."""

    file: Path
    what: str
    """Follows the name: `is damaged`."""
    advice: str
    """What to do."""
    aside: tuple[Path, ...] = ()
    """What a repair moves away; none where nothing is there that could be."""


def examine(path: Path) -> list[Trouble]:
    """Return what is wrong with a run, none where it is sound; every file is read whole.

    That a run is not finished is nothing wrong.

    Raises:
        StoreError: if the folder holds no run, or its manifest is damaged.
        RunLockedError: if a process is writing there.
    """
    check_unlocked(path / LOCK)
    if is_restorable(path):
        return [Trouble(path / MANIFEST, "is missing or damaged", _BACK)]
    layout = Layout(path, read_manifest(path))
    found = [*_heads(layout), *_measured(layout)]
    if not found:
        # Prompts that no single file shows to be lost, or to be there twice.
        run = Run(path)
        try:
            for info in layout.manifest.models:
                run.contents(info.model)
        except CorruptRunError as error:
            said = str(error).removeprefix(str(path)).removesuffix(".").strip()
            what, _, advice = said.rpartition("; ")
            found.append(Trouble(path, what, advice))
    return [*found, *_superfluous(layout)]


def repair(path: Path) -> list[Path]:
    """Set aside what cannot be trusted, so that it is measured anew, and remove leftovers.

    What is sound stays as it is. What is set aside is moved to the folder `damaged` of the run.

    Returns:
        Where each file that was set aside is now.

    Raises:
        StoreError: if the folder holds no run, its manifest is damaged, or it cannot be written.
        RunLockedError: if a process is writing there.
    """
    moved = _restored(path)
    before: list[Path] = []
    # What is behind the first fault of a shard shows once that is gone.
    while (files := [own for trouble in examine(path) for own in trouble.aside]) != before:
        before = files
        lock = RunLock(path / LOCK)
        try:
            for file in dict.fromkeys(files):
                if is_leftover(file):
                    with storage_errors(file):
                        remove_leftovers(file.parent)
                else:
                    moved.append(_moved(path, file))
        finally:
            lock.release()
    return moved


def _restored(path: Path) -> list[Path]:
    """Put the manifest's copy back where that is needed, and return where the damaged one is."""
    if not is_restorable(path):
        return []
    lock = RunLock(path / LOCK)
    try:
        file = path / MANIFEST
        moved = [_moved(path, file)] if file.exists() else []
        restore_manifest(path)
    finally:
        lock.release()
    return moved


def _moved(path: Path, file: Path) -> Path:
    """Move a file of a run to what was set aside, beside earlier ones of its name."""
    place = path / DAMAGED / file.relative_to(path)
    number = 1
    while place.exists():
        number += 1
        place = (path / DAMAGED / file.relative_to(path)).with_name(f"{file.name}.{number}")
    with storage_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, place)
    return place


def _heads(layout: Layout) -> Iterator[Trouble]:
    """Yield what is wrong with the tables of prompts and of models."""
    manifest = layout.manifest
    file = layout.path / "prompts.parquet"
    try:
        rows = read_prompts(file).to_pylist()
        _check_suite(layout, rows)
    except FileFault as fault:
        yield Trouble(file, str(fault), _WRITES, (file,) if file.exists() else ())
    file = layout.path / "models.parquet"
    try:
        labels = read_columns(file, MODELS)["model"].to_pylist()
        if labels != [info.model for info in manifest.models]:
            raise FileFault("is not of the models in manifest.json")
    except FileFault as fault:
        yield Trouble(file, str(fault), _WRITES, (file,) if file.exists() else ())


def _check_suite(layout: Layout, rows: list[dict[str, object]]) -> None:
    """Check that prompts are those of the manifest.

    Raises:
        FileFault: if they are not.
    """
    suite = layout.manifest.suite
    if len({row["prompt_id"] for row in rows}) != len(rows) or len(rows) != suite.prompts:
        raise FileFault(f"is not of the {suite.prompts} prompts asked")
    # Of a conversation only what is shown is kept, not its turns.
    if layout.manifest.chats:
        return
    tasks: dict[str, list[Prompt]] = {}
    for row in rows:
        names = ("task", "text", "target", "control", "origin")
        own = Prompt(id=str(row["prompt_id"]), **{name: row[name] for name in names})  # type: ignore[arg-type]
        tasks.setdefault(own.task, []).append(own)
    if suite_hash(tasks.items()) != suite.hash:
        raise FileFault("holds other prompts than those whose SHA-256 is in manifest.json")


def _measured(layout: Layout) -> Iterator[Trouble]:
    """Yield what is wrong with files of measurements, vectors and texts."""
    finished = layout.manifest.status == "complete"
    for info in layout.manifest.models:
        for number, fault in faults_of(layout, info.model).items():
            if not (fault.there or finished):
                continue
            shard = layout.shard(info.model, number)
            bad = (fault.file, shard) if fault.file == layout.hashes(shard) else (fault.file,)
            yield Trouble(fault.file, fault.what, _AGAIN, tuple(filter(Path.is_file, bad)))
        for file in layout.wholes(info.model):
            what = whole_fault(layout, info.model, file)
            if what is not None and (finished or file.is_file()):
                yield Trouble(file, what, _AGAIN, (file,) if file.is_file() else ())


def _superfluous(layout: Layout) -> Iterator[Trouble]:
    """Yield what no plan has, and what a killed process left."""
    for file in layout.strays():
        yield Trouble(file, "is no file of the plan, and is not read", "move it away", (file,))
    for file in sorted(filter(is_leftover, layout.path.rglob("*"))):
        yield Trouble(file, "was left half written by a process that ended", "remove it", (file,))
