"""What metrics, models and tasks are called in front of a reader."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cortexscope.records import MetricSpec
from cortexscope.texts import plain, shortened

__all__ = ["Labels", "lowered", "parameters_text", "plain", "shortened", "task_title"]


@dataclass(frozen=True, slots=True)
class Labels:
    """Titles and units of metrics, from their specs where they are given."""

    specs: Mapping[str, MetricSpec] = field(default_factory=dict)

    def title(self, metric: str) -> str:
        """Return a few words for headings; the name itself where there is no spec.

        Example:
            >>> Labels().title("attention_sink_mass")
            'Attention sink mass'
        """
        if metric in self.specs:
            return self.specs[metric].title
        words = metric.replace(".", ": ").replace("_", " ")
        return words[:1].upper() + words[1:]

    def titles(self, metrics: Collection[str]) -> dict[str, str]:
        """Return the titles of metrics by their names, no two alike.

        Example:
            >>> Labels().titles(["residual_norm"])
            {'residual_norm': 'Residual norm'}
        """
        known = [self.title(name) for name in metrics]
        return {
            name: title if known.count(title) == 1 else f"{title} [{name}]"
            for name, title in zip(metrics, known, strict=True)
        }

    def unit(self, metric: str) -> str:
        """Return the unit, empty for a pure number or where it is not known."""
        unit = self.specs[metric].unit if metric in self.specs else ""
        return "" if unit == "1" else unit

    def bounds(self, metric: str) -> tuple[float | None, float | None]:
        """Return the lowest and highest value possible, None where there is none or unknown."""
        return self.specs[metric].bounds if metric in self.specs else (None, None)

    def axis(self, metric: str) -> str:
        """Return the title with its unit, for an axis."""
        unit = self.unit(metric)
        return f"{self.title(metric)} ({unit})" if unit else self.title(metric)


def task_title(task: str) -> str:
    """Return a task's name in words."""
    return plain(task).replace("_", " ")


def lowered(title: str) -> str:
    """Return a title as it stands inside of a sentence; a name in capitals keeps them.

    Example:
        >>> lowered("Residual norm"), lowered("MLP contribution")
        ('residual norm', 'MLP contribution')
    """
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def parameters_text(count: int) -> str:
    """Return a number of parameters as the study writes it.

    Example:
        >>> parameters_text(109_482_240), parameters_text(1_418_270_720), parameters_text(25_600)
        ('109.5M', '1.4B', '25.6K')
    """
    for unit, size in (("B", 10**9), ("M", 10**6), ("K", 10**3)):
        # 999.96 million is 1.0B and not 1000.0M.
        if round(count / size, 4) >= 1.0:
            return f"{count / size:.1f}{unit}"
    return str(count)
