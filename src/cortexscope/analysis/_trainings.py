"""Which models of runs are checkpoints of one training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cortexscope.records import ModelInfo
from cortexscope.store import Measurements

__all__ = ["FEWEST", "Training", "trainings_in", "trainings_of"]

FEWEST = 3
"""Checkpoints of one training, from which on it has a course."""


class Training(NamedTuple):
    """Checkpoints of one training, in the order of their steps."""

    name: str
    """What they are checkpoints of."""
    models: tuple[str, ...]
    """Their labels."""
    steps: tuple[int, ...]
    """Their steps, each once."""


def trainings_in(infos: Iterable[tuple[str, ModelInfo]]) -> tuple[Training, ...]:
    """Return the trainings that models by label are enough checkpoints of, in their order.

    Of several models of one step the first counts.
    """
    found: dict[str, dict[int, str]] = {}
    for label, info in infos:
        if info.checkpoint_of is not None and info.training_step is not None:
            found.setdefault(info.checkpoint_of, {}).setdefault(info.training_step, label)
    return tuple(
        Training(name, tuple(own[step] for step in sorted(own)), tuple(sorted(own)))
        for name, own in found.items()
        if len(own) >= FEWEST
    )


def trainings_of(measured: Measurements) -> tuple[Training, ...]:
    """Return the trainings that runs have enough checkpoints of."""
    infos = {(run, info.model): info for run in measured.runs for info in run.manifest.models}
    return trainings_in((name, infos[origin]) for name, origin in measured.origins.items())
