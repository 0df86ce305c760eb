"""Read a run folder: its manifest and its tables, whole or filtered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from cortexscope.errors import CorruptRunError, SchemaVersionError, StoreError, UsageError
from cortexscope.records import Manifest
from cortexscope.store._schema import GENERATIONS, MEASUREMENTS, MODELS, PROMPTS, SCHEMA_VERSION
from cortexscope.store._steps import prompt_files, steps_file
from cortexscope.store._vectors import LayerMeans, layer_means

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["Run", "to_frame", "to_polars"]


class Run:
    """A run folder on the disk, finished or not.

    Raises:
        StoreError: if the folder holds no run.
        SchemaVersionError: if a newer cortexscope wrote it.
        CorruptRunError: if its manifest, or later a table, cannot be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.manifest = self._read_manifest()

    def _read_manifest(self) -> Manifest:
        file = self.path / "manifest.json"
        if not file.is_file():
            raise StoreError(
                f"There is no run in {self.path}: it has no manifest.json; "
                "give the folder that `cortexscope run --out` wrote."
            )
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            version = content["schema_version"]
            if isinstance(version, int) and version > SCHEMA_VERSION:
                raise SchemaVersionError(
                    f"{self.path} was written with run schema {version}, and this cortexscope "
                    f"reads up to {SCHEMA_VERSION}; install a newer cortexscope."
                )
            return Manifest.model_validate(content)
        except (OSError, ValueError, TypeError, KeyError, ValidationError) as error:
            raise CorruptRunError(
                f"{file} is damaged ({type(error).__name__}); run again into another folder."
            ) from error

    def _read(
        self, files: Sequence[Path], schema: pa.Schema, filters: list[Any] | None = None
    ) -> pa.Table:
        tables = []
        for file in files:
            try:
                tables.append(pq.read_table(file, schema=schema, filters=filters))
            except (OSError, pa.ArrowException) as error:
                raise CorruptRunError(
                    f"{file} is missing or damaged; delete it and run again with --resume."
                ) from error
        return pa.concat_tables(tables) if tables else schema.empty_table()

    def measurement_files(self) -> list[Path]:
        """Return the finished shards' files, sorted by name; not those of generated tokens."""
        return prompt_files(self.path)

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
        """
        wanted = [
            (column, "in", list(names))
            for column, names in (("metric", metrics), ("model", models))
            if names is not None
        ]
        files = self.measurement_files()
        if steps:
            files += [more for file in files if (more := steps_file(file)).exists()]
        table = self._read(files, MEASUREMENTS, filters=wanted or None)
        left_out = () if controls else self.control_ids()
        if left_out:
            of_controls = pc.is_in(table["prompt_id"], pa.array(left_out, pa.string()))
            table = table.filter(pc.invert(of_controls))
        return table

    def measurements(
        self,
        *,
        metrics: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        controls: bool = False,
        steps: bool = False,
    ) -> pd.DataFrame:
        """Return measurements as a pandas frame; whole-number columns with nulls are Int64-like."""
        table = self.measurements_table(
            metrics=metrics, models=models, controls=controls, steps=steps
        )
        return to_frame(table)

    def mean_states(self, model: str) -> LayerMeans | None:
        """Return each prompt's mean state of each layer of a model's first stack.

        Args:
            model: its label.

        Returns:
            None if the run did not keep them.

        Raises:
            CorruptRunError: if a file is damaged, or prompts have different layers.
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
            CorruptRunError: if a file is damaged, or prompts have different layers.
        """
        return self._layer_means(model, "mean_neuron")

    def _layer_means(self, model: str, pool: str) -> LayerMeans | None:
        position = [info.model for info in self.manifest.models].index(model)
        files = sorted((self.path / "vectors").glob(f"{position:02d}-*.safetensors"))
        return layer_means(files, pool)

    def control_ids(self) -> tuple[str, ...]:
        """Return the ids of prompts that were made from another prompt of this run."""
        prompts = self.prompts()
        made = prompts["origin"].isin(prompts["prompt_id"])
        return tuple(prompts.loc[made, "prompt_id"])

    def prompts(self) -> pd.DataFrame:
        """Return the prompts: prompt_id, task, text, source, target, control, origin."""
        return to_frame(self._read([self.path / "prompts.parquet"], PROMPTS))

    def generations(self) -> pd.DataFrame:
        """Return what models added to prompts, one text a row; none where nothing was generated.

        The columns are model, task, prompt_id, text, finish, token_ids, tokens, surprisal, entropy.
        """
        files = [self.path / "generations" / file.name for file in self.measurement_files()]
        return to_frame(self._read([file for file in files if file.exists()], GENERATIONS))

    def models(self) -> pd.DataFrame:
        """Return the models, one a row, in the order they were given."""
        return to_frame(self._read([self.path / "models.parquet"], MODELS))


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a pandas frame, whole numbers with nulls as pandas' own integers."""
    import pandas as pd

    nullable = {
        pa.int16(): pd.Int16Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame


def to_polars(table: pa.Table) -> pl.DataFrame:
    """Return an Arrow table as a polars frame.

    Raises:
        UsageError: if polars is not installed.
    """
    try:
        import polars as pl
    except ImportError as error:
        raise UsageError(
            "polars is not installed; install cortexscope[polars], or take a pandas frame."
        ) from error
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
