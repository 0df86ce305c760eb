"""How far estimates of heads and neurons agree with what taking them out does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis.tables._lesions import Estimated, Lesioned, LesionStep
from cortexscope.stats import rank_agreement

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["LesionAgreement"]


class LesionAgreement(LesionStep):
    """A row a model and kind of part.

    `rho` is Spearman's correlation, over the parts that were taken out, of the estimated change of
    surprisal with the true one, each a mean over prompts, and its interval over prompts.
    `same_sign` is the share of parts where both go in one direction. Only the foremost by estimate
    were taken out, so that rho is of a narrow range.
    """

    name = "lesion_agreement"
    holds = "how far estimates of heads and neurons agree with what taking them out does"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model and kind."""
        import pandas as pd

        truths = {(own.model, own.kind): own for own in self.lesioned(of)}
        rows: list[dict[str, Any]] = []
        for own in self.estimated(of):
            truth = truths.get((own.model, own.kind))
            # A model that predicts nothing has no estimates, as its effects say.
            if truth is not None and len(own.parts):
                rows.append(self._row(of, own, truth))
        return pd.DataFrame(rows)

    def _row(self, of: Analysis, estimate: Estimated, truth: Lesioned) -> dict[str, Any]:
        number = {name: n for n, name in enumerate(estimate.parts["part"])}
        chosen = estimate.surprisal[:, [number[name] for name in truth.parts["part"]]]
        found = rank_agreement(
            chosen,
            truth.surprisal,
            truth.prompts.clusters,
            rng=of.stream(self.name, truth.model, truth.kind),
            resamples=of.settings.resamples,
        )
        known = np.isfinite(chosen) & np.isfinite(truth.surprisal)
        both = [np.where(known, own, 0.0).sum(axis=0) for own in (chosen, truth.surprisal)]
        return {
            "model": truth.model,
            "kind": truth.kind,
            "parts": len(truth.parts),
            "looked_at": len(estimate.parts),
            "rho": found.rho.value,
            "low": found.rho.low,
            "high": found.rho.high,
            "same_sign": float(np.mean(np.sign(both[0]) == np.sign(both[1]))),
            "prompts": found.prompts,
            "reason": found.rho.reason,
        }

    def absent(self, of: Analysis) -> str:
        """Return why there is nothing."""
        if self.lesioned(of):
            return "neither heads nor neurons were asked for"
        return super().absent(of)

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield how far both agree."""
        for row in of.table(self.name).to_dict("records"):
            if row["rho"] is None or np.isnan(row["rho"]):
                yield f"{row['model']}: estimates of {row['kind']} are not judged: {row['reason']}."
                continue
            ends = "" if np.isnan(row["low"]) else f" [{row['low']:.2f}, {row['high']:.2f}]"
            yield (
                f"{row['model']}: of the {row['parts']} {row['kind']} foremost by estimate, "
                f"estimate and truth agree by rho = {row['rho']:.2f}{ends}; both have the same "
                f"sign for {100 * row['same_sign']:.0f} %."
            )
