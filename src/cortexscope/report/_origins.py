"""How each model of a report was read: its facts, from the manifest of the run that read it."""

from __future__ import annotations

from dataclasses import dataclass

from cortexscope.records import Finding, Manifest, ModelInfo, Truncation
from cortexscope.store import Measurements, Run

__all__ = ["Origin", "origins_of"]


@dataclass(frozen=True, slots=True)
class Origin:
    """A model and the run that read it."""

    label: str
    """In the report."""
    info: ModelInfo
    run: Run

    @property
    def manifest(self) -> Manifest:
        """Of the run."""
        return self.run.manifest

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of how it was read."""
        return tuple(self.manifest.notes.get(self.info.model, ()))

    @property
    def checks(self) -> tuple[Finding, ...]:
        """What the selfcheck found; none where it was not made."""
        return tuple(self.manifest.checks.get(self.info.model, ()))

    @property
    def truncations(self) -> tuple[Truncation, ...]:
        """Texts that were cut to its context."""
        return tuple(own for own in self.manifest.truncations if own.model == self.info.model)

    @property
    def seconds(self) -> float | None:
        """How long it took to load, check and measure it; None where that is not known."""
        timing = self.manifest.timings.get(self.info.model, {})
        return sum(own for key, own in timing.items() if key.endswith("_seconds")) or None

    @property
    def speed(self) -> float | None:
        """Tokens a second while all was measured; None where that is not known."""
        timing = self.manifest.timings.get(self.info.model, {})
        tokens, seconds = timing.get("tokens"), timing.get("measure_seconds")
        return tokens / seconds if tokens and seconds else None

    @property
    def memory(self) -> int | None:
        """Most bytes held while it was loaded and measured; None where that is not known."""
        return self.manifest.memory.get(self.info.model)


def origins_of(measured: Measurements) -> tuple[Origin, ...]:
    """Return where each model of the measurements comes from, in their order."""
    infos = [info for run in measured.runs for info in run.manifest.models]
    found = zip(measured.origins.items(), infos, strict=True)
    return tuple(Origin(label, info, run) for (label, (run, _)), info in found)
