"""Write a run folder: whole files only, one measurements file a finished shard."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from cortexscope.errors import RunExistsError
from cortexscope.files import is_leftover, remove_leftovers, storage_errors, whole_file
from cortexscope.records import Finding, Manifest, Prompt
from cortexscope.store._differences import differences
from cortexscope.store._reader import Run
from cortexscope.store._schema import GENERATIONS, MEASUREMENTS, MODELS, PROMPTS
from cortexscope.store._steps import prompt_files, steps_file, written_steps
from cortexscope.store._vectors import Vectors, read_vectors, write_vectors

__all__ = ["RunWriter", "check_target", "write_parquet", "write_text"]

_HEADS = ("prompts.parquet", "models.parquet", "manifest.json")
"""Written first, in this order: only with the manifest is it a run."""

_FOLDERS = ("measurements", "vectors", "generations", "tables", "figures")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a Parquet file, whole or not at all."""
    with whole_file(path) as part:
        pq.write_table(table, part, compression="zstd")


def _rows(records: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(
        [{name: record[name] for name in schema.names} for record in records], schema=schema
    )


def check_target(
    path: Path, *, resume: bool = False, force: bool = False
) -> Literal["new", "replace", "resume"]:
    """Say what writing a run to `path` would be, or refuse; writes nothing.

    Raises:
        RunExistsError: if something there would be lost.
        StoreError: if the place cannot be written.
    """
    with storage_errors(path):
        if path.exists() and not path.is_dir():
            raise RunExistsError(f"{path} is a file; choose a folder with --out.")
        entries = list(path.iterdir()) if path.exists() else []
        nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if not os.access(nearest, os.W_OK):
            raise PermissionError(13, "Permission denied", str(nearest))
    # What a process killed at its very start leaves behind is no run, and nothing to lose.
    if all(entry.name in _HEADS[:-1] or is_leftover(entry) for entry in entries):
        return "new"
    if not (path / "manifest.json").exists():
        if force and (path / "measurements").exists():
            raise RunExistsError(
                f"{path} holds a folder `measurements` and is not a run; move that folder away, "
                "or choose another --out."
            )
        if force:
            return "replace"
        raise RunExistsError(
            f"{path} holds files and is not a run; choose another --out, "
            "or write into it with --force."
        )
    if resume:
        return "resume"
    if force:
        return "replace"
    if Run(path).manifest.status == "complete":
        raise RunExistsError(
            f"{path} holds a finished run; choose another --out, or replace it with --force."
        )
    raise RunExistsError(
        f"{path} holds an interrupted run; continue it with --resume, or replace it with --force."
    )


class RunWriter:
    """The one writer of a run folder.

    Args:
        path: the run folder; created where it does not exist.
        manifest: what is asked, with status `running`.
        prompts: all prompts that will be read.
        resume: continue the run that is there, or start it.
        force: replace what is there.

    Raises:
        RunExistsError: if something there would be lost, or another plan is being resumed.
        StoreError: if the folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        prompts: Sequence[Prompt],
        *,
        resume: bool = False,
        force: bool = False,
    ) -> None:
        self.path = path
        self.manifest = manifest
        kind = check_target(path, resume=resume, force=force)
        self._made = not path.exists()
        if kind == "resume":
            self._adopt(Run(path).manifest)
        else:
            if kind == "replace" and (path / "manifest.json").exists():
                self._clear(Run(path).manifest)
            self._write_heads(prompts)
        remove_leftovers(path)

    def _adopt(self, before: Manifest) -> None:
        found = list(differences(before.model_dump(), self.manifest.model_dump()))
        if found:
            shown = "; ".join(found[:4]) + (f"; and {len(found) - 4} more" if found[4:] else "")
            raise RunExistsError(
                f"{self.path} cannot be resumed, since the plan has changed: {shown}; "
                "ask for the same again, or choose another --out."
            )
        self.manifest = before

    def _clear(self, before: Manifest) -> None:
        """Remove a run; killed half way, what is left is an unfinished run, never a wrong one."""
        asked = self.manifest
        self._write_manifest(before.model_copy(update={"status": "running"}))
        self.manifest = asked
        with storage_errors(self.path):
            for name in _FOLDERS:
                if (self.path / name).exists():
                    shutil.rmtree(self.path / name)
            (self.path / "report.html").unlink(missing_ok=True)

    def _write_heads(self, prompts: Sequence[Prompt]) -> None:
        records = [
            {
                "prompt_id": p.id,
                "task": p.task,
                "text": p.text,
                "source": p.source,
                "target": p.target,
                "control": p.control,
                "origin": p.origin,
            }
            for p in prompts
        ]
        models = [info.model_dump() for info in self.manifest.models]
        try:
            write_parquet(self.path / "prompts.parquet", _rows(records, PROMPTS))
            write_parquet(self.path / "models.parquet", _rows(models, MODELS))
            self._write_manifest(self.manifest)
        except BaseException:
            self.abandon()
            raise

    def _write_manifest(self, manifest: Manifest) -> None:
        self.manifest = manifest
        text = json.dumps(manifest.model_dump(), indent=2)
        write_text(self.path / "manifest.json", text + "\n")

    def shard_file(self, model: str, number: int) -> Path:
        """Return where the measurements of a shard belong."""
        position = [info.model for info in self.manifest.models].index(model)
        plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in model)
        return self.path / "measurements" / f"{position:02d}-{plain}-{number:05d}.parquet"

    def is_done(self, model: str, number: int) -> bool:
        """Return whether a shard's measurements are there, whole."""
        return self.shard_file(model, number).is_file()

    def write_shard(
        self,
        model: str,
        number: int,
        table: pa.Table,
        vectors: Vectors | None = None,
        generations: pa.Table | None = None,
    ) -> None:
        """Write one finished shard.

        Args:
            model: its label.
            number: of the shard.
            table: in the columns of the contract.
            vectors: what is kept of the prompts, None where nothing is.
            generations: what the model added to the prompts, None where it adds nothing.
        """
        file = self.shard_file(model, number)
        if vectors is not None:
            write_vectors(self._vectors_file(file), vectors)
        if generations is not None:
            write_parquet(self._generations_file(file), generations.cast(GENERATIONS))
        write_parquet(file, table.cast(MEASUREMENTS))

    def steps(
        self, model: str, number: int
    ) -> contextlib.AbstractContextManager[Callable[[pa.Table], None]]:
        """Return a block that is given what takes a shard's measurements of generated tokens.

        Their file is there when the block succeeds, and counts once the shard is written.
        """
        return written_steps(steps_file(self.shard_file(model, number)))

    def read_vectors(self, model: str, only: Collection[str]) -> list[Vectors]:
        """Return what is kept of a model's prompts in these pools, shard by shard."""
        numbers = range(self.manifest.shards[model])
        files = [self._vectors_file(self.shard_file(model, number)) for number in numbers]
        return [read_vectors(file, only=only) for file in files]

    def _generations_file(self, shard: Path) -> Path:
        return self.path / "generations" / shard.name

    def _vectors_file(self, shard: Path) -> Path:
        return self.path / "vectors" / f"{shard.stem}.safetensors"

    def has_whole(self, model: str, name: str) -> bool:
        """Return whether a model's values of this name are there."""
        return self._whole_file(model, name).is_file()

    def write_whole(self, model: str, name: str, table: pa.Table) -> None:
        """Write a model's values that are not of single prompts, under a name of their own."""
        write_parquet(self._whole_file(model, name), table.cast(MEASUREMENTS))

    def _whole_file(self, model: str, name: str) -> Path:
        first = self.shard_file(model, 0)
        return first.with_name(first.name.replace("-00000.", f"-{name}."))

    def note_timings(self, model: str, timings: Mapping[str, float]) -> None:
        """Add a model's timings to the manifest; they add up over continued runs."""
        before = self.manifest.timings.get(model, {})
        merged = {key: before.get(key, 0.0) + timings.get(key, 0.0) for key in {*before, *timings}}
        every = {**self.manifest.timings, model: dict(sorted(merged.items()))}
        self._write_manifest(self.manifest.model_copy(update={"timings": every}))

    def note_checks(self, model: str, checks: Sequence[Finding]) -> None:
        """Note in the manifest what the selfcheck of a model found."""
        every = {**self.manifest.checks, model: list(checks)}
        self._write_manifest(self.manifest.model_copy(update={"checks": every}))

    def note_ungenerated(self, model: str, reason: str) -> None:
        """Note in the manifest why a model generates nothing."""
        every = {**self.manifest.ungenerated, model: reason}
        self._write_manifest(self.manifest.model_copy(update={"ungenerated": every}))

    def finish(self, when: str) -> None:
        """Mark the run as complete."""
        self._write_manifest(
            self.manifest.model_copy(update={"status": "complete", "finished": when})
        )

    def abandon(self) -> None:
        """Remove what this writer made, where no shard has been finished; else keep all."""
        if prompt_files(self.path):
            return
        with contextlib.suppress(OSError):
            for model, shards in self.manifest.shards.items():
                for number in range(shards):
                    shard = self.shard_file(model, number)
                    self._vectors_file(shard).unlink(missing_ok=True)
                    self._generations_file(shard).unlink(missing_ok=True)
                    steps_file(shard).unlink(missing_ok=True)
            for name in _HEADS:
                (self.path / name).unlink(missing_ok=True)
            for name in _FOLDERS:
                with contextlib.suppress(OSError):
                    (self.path / name).rmdir()
            if self._made:
                self.path.rmdir()
