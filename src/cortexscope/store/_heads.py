"""What a run is of: its manifest, its prompts and its models."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from cortexscope.store._attributes import prompt_records, read_prompts
from cortexscope.store._completeness import damaged, state_of
from cortexscope.store._contents import FileFault, read_columns
from cortexscope.store._frames import to_frame
from cortexscope.store._manifest import read_manifest
from cortexscope.store._schema import MODELS, TURNS

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.records import Prompt

__all__ = ["Heads"]


class Heads:
    """A run folder, of which only what was asked is read.

    Raises:
        StoreError: if the folder holds no run.
        SchemaVersionError: if a newer cortexscope wrote it.
        CorruptRunError: if its manifest, or later what is read, is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = read_manifest(path)
        self._known_ids: tuple[object, tuple[frozenset[str], tuple[str, ...]]] | None = None

    def _read(self, file: Path, read: Callable[[Path], pa.Table]) -> pa.Table:
        try:
            return read(file)
        except FileFault as fault:
            raise damaged(file, fault) from fault

    def control_ids(self) -> tuple[str, ...]:
        """Return the ids of prompts that were made from another prompt of this run."""
        return self._ids()[1]

    def _ids(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return the ids of all prompts and those of controls, read again if the file is anew."""
        file = self.path / "prompts.parquet"
        state = state_of(file) if file.is_file() else None
        if self._known_ids is None or self._known_ids[0] != state:
            prompts = self.prompts()
            made = prompts["origin"].isin(prompts["prompt_id"])
            ids = frozenset(prompts["prompt_id"]), tuple(prompts.loc[made, "prompt_id"])
            self._known_ids = state, ids
        return self._known_ids[1]

    def prompts(self) -> pd.DataFrame:
        """Return the prompts: prompt_id, task, text, source, target, control, origin.

        Columns of the user's own follow, each as `attributes.NAME`.
        """
        return to_frame(self._prompts().drop_columns([TURNS]))

    def prompt_records(self) -> list[Prompt]:
        """Return the prompts as they were asked for, conversations with their turns.

        Runs of a schema before 6 have kept no turns.
        """
        return prompt_records(self._prompts())

    def _prompts(self) -> pa.Table:
        file = self.path / "prompts.parquet"
        prompts = self._read(file, read_prompts)
        asked = self.manifest.suite.prompts
        if len(prompts) != asked or len(prompts["prompt_id"].unique()) != asked:
            raise damaged(file, f"is not of the {asked} prompts asked")
        return prompts

    def models(self) -> pd.DataFrame:
        """Return the models, one a row, in the order they were given."""
        file = self.path / "models.parquet"
        models = to_frame(self._read(file, partial(read_columns, schema=MODELS)))
        if list(models["model"]) != [info.model for info in self.manifest.models]:
            raise damaged(file, "is not of the models in manifest.json")
        return models
