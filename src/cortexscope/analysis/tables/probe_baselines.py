"""How well length and words alone tell the tasks apart, and the best layer on fresh prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cortexscope.analysis._frames import of_model, stacked
from cortexscope.analysis._scopes import unknown
from cortexscope.analysis._vectors import NO_STATES
from cortexscope.analysis.tables._step import Step
from cortexscope.analysis.tables.probes import probe_of

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["ProbeBaselines"]

_BEST = "best layer"
"""The row that is no baseline: the layer which other prompts chose."""


class ProbeBaselines(Step):
    """What needs no model, and the best layer beside it."""

    name = "probe_baselines"
    holds = "how well length and words alone do, and the best layer on fresh prompts"
    of_vectors = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model and baseline."""
        import pandas as pd

        tables = []
        for own in of.states:
            probe = probe_of(of, own)
            peak = probe.peak
            best = {
                "baseline": _BEST,
                "layer": None if peak.layer is None else own.layers[peak.layer],
                "accuracy": peak.accuracy.value,
                "low": peak.accuracy.low,
                "high": peak.accuracy.high,
                "reason": probe.reason,
            }
            rows = pd.concat([probe.baselines, pd.DataFrame([best])], ignore_index=True)
            rows = rows.astype({"layer": "Int64"})
            tables.append(of_model(rows, own.model).assign(method=probe.method))
        return stacked(tables)

    def absent(self, of: Analysis) -> str:
        """Return why there is no probe."""
        return NO_STATES

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield which layer of each model tells the tasks apart best."""
        probes = of.table("probes")
        for model, own in of.table(self.name).groupby("model", sort=False):
            rows = {row["baseline"]: row for row in own.to_dict("records")}
            best = rows[_BEST]
            if unknown(best["accuracy"]):
                yield f"{model}: no probe ({best['reason']})."
                continue
            layers = probes[probes["model"] == model]
            yield (
                f"{model}: layer {best['layer']} tells the tasks apart best, {_share(best)} of "
                f"fresh prompts right; words alone {_share(rows['words'])}, length alone "
                f"{_share(rows['length'])}, chance {layers['chance'].iloc[0]:.2f}. "
                f"{int((layers['beats'] == True).sum())} of {len(layers)} layers beat both."  # noqa: E712
            )


def _share(row: Mapping[Any, Any]) -> str:
    if unknown(row["accuracy"]):
        return "unknown"
    return f"{row['accuracy']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
