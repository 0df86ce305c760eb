"""With which seed and how many draws a run's statistics are made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cortexscope.errors import CorruptRunError, UsageError

if TYPE_CHECKING:
    from cortexscope.store import Run

__all__ = ["ABOUT", "Settings", "settings_of"]

ABOUT = "stats.json"
"""The file beside the tables that says what they are."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides every number that is drawn."""

    seed: int = 0
    resamples: int = 2000
    """How many an interval takes."""
    permutations: int = 2000
    """How many a p-value takes."""

    @property
    def of_layers(self) -> int:
        """How many a p-value of a layer takes, where each is costly."""
        return min(self.permutations, 500)

    def __post_init__(self) -> None:
        if min(self.resamples, self.permutations) < 1:
            raise UsageError("Resamples and permutations must be at least 1.")

    def __str__(self) -> str:
        return f"seed {self.seed}, {self.resamples} resamples and {self.permutations} permutations"


def settings_of(run: Run, folder: str = "") -> Settings:
    """Return the settings of the statistics in the run's folder, the usual ones if it has none.

    A report takes these, so that its numbers are those of `stats/`.

    Args:
        run: whose they are.
        folder: the name of the folder in `stats/` whose settings are meant, if it has any.

    Raises:
        CorruptRunError: if the file that says so cannot be read.
    """
    path: Path = run.path / "stats" / folder / ABOUT
    if not path.is_file():
        path = run.path / "stats" / ABOUT
    if not path.is_file():
        return Settings()
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        return Settings(*(int(about[name]) for name in ("seed", "resamples", "permutations")))
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        raise CorruptRunError(
            f"{path} does not say how the statistics of the run were made; make them anew with "
            f"`cortexscope stats {run.path}`."
        ) from error
