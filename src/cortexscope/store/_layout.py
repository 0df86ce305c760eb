"""The names and places of a run folder's files, as its manifest plans them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cortexscope.errors import UnknownNameError
from cortexscope.files import is_leftover
from cortexscope.records import Manifest
from cortexscope.registry import suggestion

__all__ = [
    "HEADS",
    "LESIONED",
    "LOCK",
    "LONGEST_LABEL",
    "OUTCOMES",
    "PAIRED",
    "RESULTS",
    "WHOLES",
    "Layout",
    "plain_name",
]

HEADS = ("prompts.parquet", "models.parquet", "manifest.json")
"""Written first, in this order: only with the manifest is it a run."""

RESULTS = ("measurements", "vectors", "generations")
"""The folders that hold what was measured; every file in them is planned."""

PAIRED = "pairs"
"""The folder of what pairs of models make of the same prompts."""

LESIONED = "lesions"
"""The folder of what models predict without a part of them."""

OUTCOMES = "outcomes.parquet"
"""The file of what came of models' answers to the prompts, where that was told."""

WHOLES = {"task": "tasks", "sequence": "sequences"}
"""The name of the file with values that are not of single prompts, by what they are of."""

LOCK = ".lock"
"""The file that says who writes the folder, there for as long as it is written."""

LONGEST_LABEL = 200
"""Bytes of a model's label as part of a file's name, which may have 255 in all."""


def plain_name(label: str) -> str:
    """Return a model's label as part of a file's name.

    Example:
        >>> plain_name("org/Model 1.5")
        'org_Model_1.5'
    """
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in label)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the files of a run belong.

    The number of the model stands in front of every name, so that labels that differ in case or
    in characters that no file may have never share one.
    """

    path: Path
    manifest: Manifest

    def position(self, model: str) -> int:
        """Return the number of a model, which is its place among the run's unless told otherwise.

        Raises:
            UnknownNameError: if the run has no such model.
        """
        labels = [info.model for info in self.manifest.models]
        if model not in labels:
            raise UnknownNameError(
                f"{self.path} has no model {model!r}; {suggestion(model, labels)}"
            )
        return self.manifest.numbers.get(model, labels.index(model))

    def dtype(self, model: str) -> str:
        """Return the dtype of a model's weights."""
        (found,) = (info.dtype for info in self.manifest.models if info.model == model)
        return found

    def shard(self, model: str, number: int) -> Path:
        """Return where the measurements of a shard belong."""
        return self._measurements(model, f"{number:05d}")

    def whole(self, model: str, name: str) -> Path:
        """Return where a model's values belong that are not of single prompts."""
        return self._measurements(model, name)

    def _measurements(self, model: str, end: str) -> Path:
        return self.path / "measurements" / f"{self._stem(model)}-{end}.parquet"

    def _stem(self, model: str) -> str:
        return f"{self.position(model):02d}-{plain_name(model)}"

    def steps(self, shard: Path) -> Path:
        """Return where a shard's measurements of generated tokens belong."""
        return shard.with_name(f"{shard.stem}-steps.parquet")

    def vectors(self, shard: Path) -> Path:
        """Return where the vectors of a shard's prompts belong."""
        return self.path / "vectors" / f"{shard.stem}.safetensors"

    def generations(self, shard: Path) -> Path:
        """Return where the texts belong that a model added to a shard's prompts."""
        return self.path / "generations" / shard.name

    def hashes(self, shard: Path) -> Path:
        """Return where the SHA-256 of the files of a shard, or of other values, are noted."""
        return self.path / "hashes" / f"{shard.stem}.sha256"

    def shards(self, model: str) -> list[Path]:
        """Return the files of a model's shards, whether they are there or not."""
        # One by one, hundreds of names take longer than their files.
        folder, stem = self.path / "measurements", self._stem(model)
        numbers = range(self.manifest.shards[model])
        return [folder / f"{stem}-{number:05d}.parquet" for number in numbers]

    def finished(self, model: str) -> list[Path]:
        """Return the files of a model's shards that are there, none where they are not read."""
        shards = [] if self.leaves_out(model) else self.shards(model)
        return [file for file in shards if file.is_file()]

    def leaves_out(self, model: str) -> bool:
        """Return whether what is there of a model is not read: it failed, and some is no sample."""
        return self.manifest.status == "failed" and model in self.manifest.failures

    def wholes(self, model: str) -> list[Path]:
        """Return the files of values that are not of single prompts, as the metrics ask for."""
        units = {spec.replication for spec in self.manifest.metrics.values()}
        return [self.whole(model, name) for unit, name in WHOLES.items() if unit in units]

    @property
    def has_values_of_prompts(self) -> bool:
        """Whether shards hold rows: not where all metrics are of whole tasks or of sequences."""
        return any(spec.replication == "prompt" for spec in self.manifest.metrics.values())

    def generates(self, model: str) -> bool:
        """Return whether a model goes on after its prompts."""
        asked = self.manifest.settings.get("generate") is not None
        return asked and model not in self.manifest.ungenerated

    def keeps_vectors(self, model: str) -> bool:
        """Return whether vectors of a model's prompts are kept."""
        settings = self.manifest.settings
        kept = bool(settings.get("keep_states") or settings.get("keep_neurons"))
        return kept or self.measures_tasks

    @property
    def measures_tasks(self) -> bool:
        """Whether values of whole tasks are made of the vectors of their prompts."""
        return any(spec.replication == "task" for spec in self.manifest.metrics.values())

    def siblings(self, model: str, shard: Path) -> list[Path]:
        """Return the files that a finished shard has beside its measurements."""
        found = [self.vectors(shard)] if self.keeps_vectors(model) else []
        if self.generates(model):
            found += [self.steps(shard), self.generations(shard)]
        return found

    def measured(self) -> list[Path]:
        """Return the files of measurements but those of generated tokens, sorted by name."""
        return sorted(self._each(self.planned))

    def read(self) -> list[Path]:
        """Return those of `measured` that are read: not of models that failed."""
        every = self._each(lambda model: [] if self.leaves_out(model) else self.planned(model))
        return sorted(every)

    def planned(self, model: str) -> list[Path]:
        """Return the files of a model's measurements but those of generated tokens."""
        return [*self.shards(model), *self.wholes(model)]

    def missing(self) -> list[Path]:
        """Return what a finished run lacks of its measurements."""
        return [file for file in self.read() if not file.is_file()]

    def missing_beside(self) -> list[Path]:
        """Return what finished shards lack of vectors, texts and their measurements."""

        def beside(model: str) -> Iterator[Path]:
            for shard in self.finished(model):
                yield from (file for file in self.siblings(model, shard) if not file.is_file())

        return sorted(self._each(beside))

    def strays(self) -> list[Path]:
        """Return files among the results that no plan has, such as copies."""

        def every(model: str) -> Iterator[Path]:
            yield from self.wholes(model)
            for shard in self.shards(model):
                yield from (shard, self.steps(shard), self.vectors(shard), self.generations(shard))

        # Some file systems write the accents of names in another way.
        known = {_composed(path) for path in self._each(every)}
        return [
            path
            for name in RESULTS
            if (self.path / name).is_dir()
            for path in sorted((self.path / name).iterdir())
            if not (path.name.startswith(".") or is_leftover(path) or _composed(path) in known)
        ]

    def _each(self, of: Callable[[str], Iterator[Path] | list[Path]]) -> list[Path]:
        return [path for info in self.manifest.models for path in of(info.model)]


def _composed(path: Path) -> tuple[str, str]:
    return path.parent.name, unicodedata.normalize("NFC", path.name)
