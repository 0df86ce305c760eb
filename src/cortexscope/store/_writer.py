"""Write a run folder: whole files only, one measurements file a finished shard."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from cortexscope.errors import RunExistsError
from cortexscope.files import remove_leftovers, storage_errors
from cortexscope.records import Manifest, Prompt
from cortexscope.store._attributes import prompt_table
from cortexscope.store._contents import FileFault, read_columns
from cortexscope.store._continuing import continued
from cortexscope.store._layout import HEADS, LESIONED, LOCK, OUTCOMES, PAIRED, RESULTS, Layout
from cortexscope.store._lock import RunLock
from cortexscope.store._manifest import COPY, has_manifest, restore_manifest, write_manifest
from cortexscope.store._notes import Notes
from cortexscope.store._parts import ShardPart, read_part
from cortexscope.store._reader import Run
from cortexscope.store._repair import ShardFault, faults_of, whole_fault
from cortexscope.store._schema import ATTRIBUTES, GENERATIONS
from cortexscope.store._steps import written_steps
from cortexscope.store._target import check_contents, check_target
from cortexscope.store._vectors import Vectors, read_vectors, write_vectors
from cortexscope.store._written import model_table, write_measurements, write_parquet

__all__ = ["RunWriter"]

_FOLDERS = (*RESULTS, PAIRED, LESIONED, "hashes", "tables", "figures")


class RunWriter(Notes):
    """The one writer of a run folder, which it locks until the run is finished or left.

    As a context manager it keeps what is finished, if anything is, where an error ends the block.

    Args:
        path: the run folder; created where it does not exist.
        manifest: what is asked, with status `running`.
        prompts: all prompts that will be read.
        resume: continue the run that is there, or start it. Columns of the user's own are not what
            a model reads, and no part of the suite's hash: the run is continued with those of now.
        force: replace what is there.

    Raises:
        RunExistsError: if something there would be lost, or another plan is being resumed.
        RunLockedError: if another process is writing there.
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
        check_target(path, resume=resume, force=force)
        self._made = not path.exists()
        self._lock = RunLock(path / LOCK)
        try:
            if resume or force:
                restore_manifest(path)
            # Another process may have begun or finished a run here since.
            kind = check_contents(path, resume=resume, force=force)
            self._resumed = kind == "resume"
            if kind == "resume":
                self._adopt(Run(path).manifest, prompts)
            else:
                if kind == "replace" and has_manifest(path):
                    self._clear(Run(path).manifest)
                self._write_heads(prompts)
            remove_leftovers(path)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.abandon()
        self._lock.release()

    @property
    def locked(self) -> bool:
        """Whether others are kept out: not where the file system has no locks."""
        return self._lock.holds

    @property
    def _layout(self) -> Layout:
        return Layout(self.path, self.manifest)

    def _adopt(self, before: Manifest, prompts: Sequence[Prompt]) -> None:
        manifest, found, dropped = continued(Layout(self.path, before), self.manifest)
        if found:
            shown = "; ".join(found[:4]) + (f"; and {len(found) - 4} more" if found[4:] else "")
            raise RunExistsError(
                f"{self.path} cannot be resumed, since the plan has changed: {shown}; "
                "ask for the same again, or choose another --out."
            )
        if manifest != before:
            self._write_manifest(manifest)
        self.manifest = manifest
        for model in dropped:
            self._remove(Layout(self.path, before), model)
        for name, table in self._heads(prompts).items():
            try:
                schema = pa.schema([own for own in table.schema if own.name != ATTRIBUTES])
                known = read_columns(self.path / name, schema, also=(ATTRIBUTES,))
            except FileFault:
                known = None
            if known is None or not known.equals(table):
                self._write_head(name, table)

    def _remove(self, layout: Layout, model: str) -> None:
        """Remove what there is of a model that failed and is not asked for any more."""
        with storage_errors(self.path):
            for shard in layout.shards(model):
                for file in (shard, *layout.siblings(model, shard), layout.hashes(shard)):
                    file.unlink(missing_ok=True)
            for file in layout.wholes(model):
                file.unlink(missing_ok=True)

    def _clear(self, before: Manifest) -> None:
        """Remove a run; killed half way, what is left is an unfinished run, never a wrong one."""
        asked = self.manifest
        self._write_manifest(before.model_copy(update={"status": "running"}))
        self.manifest = asked
        with storage_errors(self.path):
            for name in _FOLDERS:
                if (self.path / name).exists():
                    shutil.rmtree(self.path / name)
            for name in ("report.html", OUTCOMES):
                (self.path / name).unlink(missing_ok=True)

    def _heads(self, prompts: Sequence[Prompt]) -> dict[str, pa.Table]:
        tables = (prompt_table(prompts), model_table(self.manifest.models))
        return dict(zip(HEADS, tables, strict=False))

    def _write_heads(self, prompts: Sequence[Prompt]) -> None:
        try:
            for name, table in self._heads(prompts).items():
                self._write_head(name, table)
            self._write_manifest(self.manifest)
        except BaseException:
            self.abandon()
            raise

    def _write_head(self, name: str, table: pa.Table) -> None:
        self._lock.check()
        write_parquet(self.path / name, table)

    def _write_manifest(self, manifest: Manifest) -> None:
        self._lock.check()
        self.manifest = manifest
        write_manifest(self.path, manifest)

    def faults(self, model: str, planned: Mapping[int, Collection[str]]) -> dict[int, ShardFault]:
        """Return what is wrong with the files of a model's shards, none where all are whole.

        Args:
            model: its label.
            planned: the ids of the prompts that each shard holds, by its number.
        """
        return faults_of(self._layout, model, planned)

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
        self._lock.check()
        file = self._layout.shard(model, number)
        if vectors is not None:
            # Measurements are made of vectors as they were seen, statistics of what is kept.
            halved = not self._layout.measures_tasks
            write_vectors(self._layout.vectors(file), vectors, halved=halved)
        if generations is not None:
            write_parquet(self._layout.generations(file), generations.cast(GENERATIONS))
        beside = [own for own in self._layout.siblings(model, file) if own.is_file()]
        write_measurements(self._layout, model, file, table, beside)

    def steps(
        self, model: str, number: int
    ) -> contextlib.AbstractContextManager[Callable[[pa.Table], None]]:
        """Return a block that is given what takes a shard's measurements of generated tokens.

        Their file is there when the block succeeds, and counts once the shard is written.
        """
        self._lock.check()
        file = self._layout.steps(self._layout.shard(model, number))
        return written_steps(file, self._layout.dtype(model))

    def read_part(self, model: str, number: int) -> ShardPart:
        """Return what is there of a shard of which `faults` says that prompts of it are sound."""
        return read_part(self._layout, model, number)

    def read_vectors(self, model: str, only: Collection[str]) -> list[Vectors]:
        """Return what is kept of a model's prompts in these pools, shard by shard."""
        files = map(self._layout.vectors, self._layout.shards(model))
        return [read_vectors(file, only=only) for file in files]

    def has_whole(self, model: str, name: str) -> bool:
        """Return whether a model's values of this name are there, and not damaged."""
        return whole_fault(self._layout, model, self._layout.whole(model, name)) is None

    def write_whole(self, model: str, name: str, table: pa.Table) -> None:
        """Write a model's values that are not of single prompts, under a name of their own."""
        self._lock.check()
        write_measurements(self._layout, model, self._layout.whole(model, name), table)

    @property
    def has_values(self) -> bool:
        """Whether anything that was measured is there."""
        return any(file.is_file() for file in self._layout.measured())

    def finish(self, when: str) -> None:
        """Mark the run as ended, complete but for what failed, and let others write."""
        status = "failed" if self.manifest.failed else "complete"
        self._write_manifest(self.manifest.model_copy(update={"status": status, "finished": when}))
        self._lock.release()

    def abandon(self) -> None:
        """Remove what this writer made, where no shard has been finished; else keep all."""
        layout = self._layout
        if self._resumed or not self._lock.is_there or self.has_values:
            return
        with contextlib.suppress(OSError):
            for model in self.manifest.shards:
                for shard in layout.shards(model):
                    for file in (*layout.siblings(model, shard), layout.hashes(shard)):
                        file.unlink(missing_ok=True)
            for name in (COPY, *HEADS):
                (self.path / name).unlink(missing_ok=True)
            for name in _FOLDERS:
                with contextlib.suppress(OSError):
                    (self.path / name).rmdir()
            self._lock.release()
            if self._made:
                self.path.rmdir()
