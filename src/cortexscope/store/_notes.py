"""What a run notes in its manifest while it measures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from cortexscope.records import Finding, Halving, Manifest, MetricFailure

__all__ = ["Notes"]


class Notes(ABC):
    """Keeps the manifest of a run, and adds to it what happens to its models."""

    manifest: Manifest

    @abstractmethod
    def _write_manifest(self, manifest: Manifest) -> None:
        """Keep a manifest in the place of the one before."""

    def _note(self, field: str, model: str, value: Any) -> None:  # noqa: ANN401 - of any field
        """Set what is noted of a model; nothing is taken away where it is empty."""
        before = getattr(self.manifest, field)
        every = {label: own for label, own in before.items() if label != model or value}
        every |= {model: value} if value else {}
        if every != before:
            self._write_manifest(self.manifest.model_copy(update={field: every}))

    def note_begin(self, model: str) -> None:
        """Note that a model is being measured, so that the run is not finished until that ends."""
        if self.manifest.status != "running":
            self._write_manifest(
                self.manifest.model_copy(update={"status": "running", "finished": None})
            )
        self.note_failure(model, None)

    def note_timings(self, model: str, timings: Mapping[str, float]) -> None:
        """Add a model's timings to the manifest; they add up over continued runs."""
        before = self.manifest.timings.get(model, {})
        merged = {key: before.get(key, 0.0) + timings.get(key, 0.0) for key in {*before, *timings}}
        self._note("timings", model, dict(sorted(merged.items())))

    def note_memory(self, model: str, peak: int) -> None:
        """Note in the manifest the bytes that measuring a model held, if they are the most."""
        self._note("memory", model, max(peak, self.manifest.memory.get(model, 0)))

    def note_checks(self, model: str, checks: Sequence[Finding]) -> None:
        """Note in the manifest what the selfcheck of a model found."""
        self._note("checks", model, list(checks))

    def note_ungenerated(self, model: str, reason: str) -> None:
        """Note in the manifest why a model generates nothing."""
        self._note("ungenerated", model, reason)

    def note_failure(self, model: str, sentence: str | None) -> None:
        """Note in the manifest why a model could not be measured, None where now it was."""
        self._note("failures", model, sentence)

    def note_halved(self, model: str, shard: int, halved: Sequence[Halving], *, on: bool) -> None:
        """Note in the manifest which batches of a shard memory did not hold.

        Args:
            model: its label.
            shard: the number.
            halved: these batches.
            on: whether a part of the shard was there before, whose batches stay noted.
        """
        before = self.manifest.halved.get(model, [])
        kept = [own for own in before if on or own.shard != shard]
        self._note("halved", model, [*kept, *halved])

    def note_failed_metrics(self, model: str, work: int | str, failed: Mapping[str, str]) -> None:
        """Note in the manifest which metrics of plug-ins failed, and where.

        Args:
            model: its label.
            work: the number of a shard, or the unit of values that are not of single prompts.
            failed: sentences by metric; one that is not here has not failed there.
        """
        before = {own.metric: own for own in self.manifest.failed_metrics.get(model, [])}
        every = []
        for name in (*before, *(name for name in failed if name not in before)):
            known = before.get(name)
            parts = {*known.parts} if known else set()
            parts = {*parts, work} if name in failed else parts - {work}
            why = failed.get(name) or (known.why if known else "")
            if parts:
                in_order = sorted(parts, key=lambda part: (isinstance(part, str), part))
                every.append(MetricFailure(metric=name, why=why, parts=in_order))
        self._note("failed_metrics", model, every)
