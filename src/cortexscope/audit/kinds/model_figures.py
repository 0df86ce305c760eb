"""Facts and figures of models: each is recomputed, in the digits quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._rounding import is_number
from cortexscope.audit._words import spoken
from cortexscope.audit.kinds._compared import compared, figures_agree
from cortexscope.audit.kinds._kind import Kind

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["ModelFigures"]


class ModelFigures(Kind):
    """Facts and figures of models, by column."""

    kind: Literal["model_figures"]
    values: dict[str, dict[str, str]]
    of_named_models: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Recompute averages of models, and compare their facts."""
        if evidence.cells is None:
            said = "No other claim says what they are made of."
            return evidence.says("cannot be checked", said)
        quantities = []
        for model, claimed in self.values.items():
            facts = evidence.facts.get(model, {})
            for column, text in claimed.items():
                name = f"{spoken(column)}, {model}"
                if is_number(text):
                    known = evidence.models.get(column, {}).get(model)
                    quantities.append(compared(name, text, known, metric=column))
                elif column in facts:
                    right = facts[column] == text
                    quantities.append(Quantity(name, text, facts[column], right=right))
                else:
                    quantities.append(Quantity(name, text, None, note="not in this source"))
        return figures_agree(evidence, quantities)

    def in_run(self, values: RunValues, study: Evidence) -> Check:
        """Ask whether averages could be of as many other prompts, in models of the run."""
        from cortexscope.audit.kinds._models_in_run import model_figures_in_run

        return model_figures_in_run(self.values, values)
