"""Read a run folder: its manifest and its tables, whole or filtered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cortexscope.errors import UnknownNameError
from cortexscope.files import sha256_of
from cortexscope.registry import suggestion
from cortexscope.store._completeness import Completeness
from cortexscope.store._contents import Contents, in_texts, read_columns
from cortexscope.store._frames import joined, to_frame
from cortexscope.store._heads import Heads
from cortexscope.store._layout import OUTCOMES, Layout
from cortexscope.store._lesions import LesionPlan
from cortexscope.store._pairs import PairPlan
from cortexscope.store._remote_copy import local_folder
from cortexscope.store._schema import GENERATIONS, MEASUREMENTS
from cortexscope.store._side_files import side_files
from cortexscope.store._vectors import LayerMeans, layer_means, read_vectors

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["Run"]


class Run(Heads):
    """A run folder on the disk, finished or not.

    Only the files that the manifest plans are read, and only if they hold what they should: of a
    finished run all of them, each prompt's rows in one file, and no row twice.

    Args:
        path: the folder; of a URL that fsspec opens, such as `s3://bucket/run`, the copy in the
            user's cache, after what changed was fetched.

    Raises:
        StoreError: if the folder holds no run.
        SchemaVersionError: if a newer cortexscope wrote it.
        CorruptRunError: if its manifest, or later what is read, is missing or damaged.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(local_folder(path))
        self._layout = Layout(self.path, self.manifest)
        self._completeness = Completeness(self._layout)

    def measurement_files(self) -> list[Path]:
        """Return the files that are read, sorted by name; not those of generated tokens."""
        return [file for file in self._layout.read() if file.is_file()]

    def digest(self, *, vectors: bool = False) -> str:
        """Return the SHA-256 of all that the run's statistics are made of, in hexadecimal.

        Args:
            vectors: of the vectors of its prompts too.
        """
        shards = [shard for label in self.manifest.shards for shard in self._layout.finished(label)]
        beside = [file for shard in shards if (file := self._layout.vectors(shard)).is_file()]
        own = [self.path / name for name in ("manifest.json", "prompts.parquet", "models.parquet")]
        found = hashlib.sha256()
        told = [file] if (file := self.path / OUTCOMES).is_file() else []
        more = (*side_files(PairPlan, self.path), *side_files(LesionPlan, self.path), *told)
        for file in (*own, *self.measurement_files(), *more, *(beside if vectors else ())):
            found.update(f"{file.name} {sha256_of(file)}\n".encode())
        return found.hexdigest()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on what the folder lacks or has too much of, though it can be read."""
        return self._completeness.remarks()

    def measurements_table(
        self,
        *,
        metrics: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        controls: bool = False,
        steps: bool = False,
    ) -> pa.Table:
        """Return measurements as an Arrow table, in the columns of the contract.

        Args:
            metrics: only these, all where None.
            models: labels; only these, all where None.
            controls: those of `control_ids` too, which are no further prompts of their tasks.
            steps: those of generated tokens too, which have a number in the column `step`.

        Raises:
            UnknownNameError: for a metric or model that the run has not.
            CorruptRunError: if the measurements are not whole.
        """
        parts = [
            read().cast(MEASUREMENTS)
            for read in self.readings(
                metrics=metrics, models=models, controls=controls, steps=steps
            )
        ]
        return pa.concat_tables(parts) if parts else MEASUREMENTS.empty_table()

    def readings(
        self,
        *,
        metrics: Collection[str] | None = None,
        models: Collection[str] | None = None,
        controls: bool = False,
        steps: bool = False,
        wholes: bool = True,
        columns: Collection[str] | None = None,
    ) -> list[Callable[[], pa.Table]]:
        """Return what reads measurements, a file each, with a dictionary for a column's texts.

        No prompt has rows in two files, but for those of generated tokens. They can be called in
        any order and from any thread; nothing is kept.

        Args:
            metrics: only these, all where None.
            models: labels; only these, all where None.
            controls: those of `control_ids` too.
            steps: those of generated tokens too.
            wholes: values of whole tasks and of sequences too.
            columns: at least these, all where None.

        Raises:
            UnknownNameError: for a metric or model that the run has not.
            CorruptRunError: here or there, if the measurements are not whole.
        """
        labels = [info.model for info in self.manifest.models]
        self._check_names("metric", metrics, self.manifest.metrics)
        self._check_names("model", models, labels)
        self._completeness.check(self._ids()[0])
        if metrics is not None and not metrics:
            return []
        names = None if metrics is None else frozenset(metrics)
        left_out = frozenset() if controls else frozenset(self.control_ids())
        read = (
            None if columns is None else {*columns, *(["prompt_id"] if left_out or steps else [])}
        )
        found: list[Callable[[], pa.Table]] = []
        for label in labels:
            if models is not None and label not in models:
                continue
            for file in self._layout.finished(label):
                found.append(partial(self._rows, file, label, names, left_out, read))
                if steps and self._layout.generates(label):
                    found.append(partial(self._steps, file, label, names, left_out, read))
            found += [
                partial(self._completeness.rows, file, label, names, read, of_prompts=False)
                for file in self._layout.wholes(label)
                if wholes and file.is_file() and not self._layout.leaves_out(label)
            ]
        return found

    def _rows(
        self,
        file: Path,
        label: str,
        metrics: Collection[str] | None,
        left_out: Collection[str],
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        return _without(self._completeness.rows(file, label, metrics, columns), left_out)

    def _steps(
        self,
        shard: Path,
        label: str,
        metrics: Collection[str] | None,
        left_out: Collection[str],
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        file = self._layout.steps(shard)
        table = self._completeness.rows(file, label, metrics, columns)
        found = pc.unique(table["prompt_id"]).to_pylist()
        self._completeness.check_beside(file, found, shard, label, all_of_them=False)
        return _without(table, left_out)

    def steps(self, model: str, prompt: str, metrics: Collection[str]) -> pa.Table:
        """Return what was measured of the tokens that a model added to one prompt; `step` is which.

        Args:
            model: its label.
            prompt: its id.
            metrics: only these.

        Raises:
            UnknownNameError: if the run has no such metric or model.
            CorruptRunError: if the measurements are not whole.
        """
        self._check_names("metric", metrics, self.manifest.metrics)
        files = zip(self._layout.finished(model), self.contents(model), strict=False)
        shards = [own for own, held in files if prompt in held.prompts]
        if not (shards and self._layout.generates(model)):
            return MEASUREMENTS.empty_table()
        table = self._steps(shards[0], model, frozenset(metrics), ())
        return table.filter(in_texts(table["prompt_id"], [prompt]))

    def contents(self, model: str) -> list[Contents]:
        """Return what each of a model's files of measurements is of, those of controls too.

        Args:
            model: its label.

        Raises:
            UnknownNameError: if the run has no such model.
            CorruptRunError: if the measurements are not whole.
        """
        self._completeness.check(self._ids()[0])
        return self._completeness.contents(model)

    def measurements(
        self,
        *,
        metrics: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        controls: bool = False,
        steps: bool = False,
    ) -> pd.DataFrame:
        """Return measurements as a pandas frame; whole-number columns with nulls are Int64-like."""
        every = self.readings(metrics=metrics, models=models, controls=controls, steps=steps)
        return joined((read() for read in every), MEASUREMENTS)

    def _check_names(self, kind: str, names: Iterable[str] | None, known: Iterable[str]) -> None:
        for name in names or ():
            if name not in known:
                raise UnknownNameError(
                    f"{self.path} has no {kind} {name!r}; {suggestion(name, known)}"
                )

    def mean_states(self, model: str) -> LayerMeans | None:
        """Return each prompt's mean state of each layer of a model's first stack.

        Args:
            model: its label.

        Returns:
            None if the run did not keep them.

        Raises:
            UnknownNameError: if the run has no such model.
            CorruptRunError: if a file is missing or damaged, or prompts have different layers.
        """
        return self._layer_means(model, "mean_state")

    def mean_neurons(self, model: str) -> LayerMeans | None:
        """Return each prompt's mean activation of the MLPs' neurons of a model's first stack.

        Args:
            model: its label.

        Returns:
            None if the run did not keep them, or the model has no such neurons; layers without a
            dense MLP are left out.

        Raises:
            UnknownNameError: if the run has no such model.
            CorruptRunError: if a file is missing or damaged, or prompts have different layers.
        """
        return self._layer_means(model, "mean_neuron")

    def _layer_means(self, model: str, pool: str) -> LayerMeans | None:
        self._check_names("model", [model], self.manifest.shards)
        if not self._layout.keeps_vectors(model):
            return None
        self._completeness.check(self._ids()[0])
        files = []
        for shard in self._layout.finished(model):
            file = self._layout.vectors(shard)
            vectors = read_vectors(file, only=(pool,), framework="numpy")
            found = [prompt for prompt, _ in vectors.prompts]
            self._completeness.check_beside(file, found, shard, model)
            files.append(vectors)
        return layer_means(files, pool, folder=self.path / "vectors")

    def generations(self) -> pd.DataFrame:
        """Return what models added to prompts, one text a row; none where nothing was generated.

        The columns are model, task, prompt_id, text, finish, token_ids, tokens, surprisal, entropy.
        """
        self._completeness.check(self._ids()[0])
        tables = [GENERATIONS.empty_table()]
        for label in filter(self._layout.generates, self.manifest.shards):
            for shard in self._layout.finished(label):
                file = self._layout.generations(shard)
                tables.append(self._read(file, partial(read_columns, schema=GENERATIONS)))
                found = tables[-1]["prompt_id"].to_pylist()
                self._completeness.check_beside(file, found, shard, label)
        return to_frame(pa.concat_tables(tables))


def _without(table: pa.Table, prompts: Collection[str]) -> pa.Table:
    return table.filter(pc.invert(in_texts(table["prompt_id"], prompts))) if prompts else table
