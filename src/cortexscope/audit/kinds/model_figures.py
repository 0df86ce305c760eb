"""Facts and figures of models: each is recomputed, in the digits quoted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from cortexscope.audit._evidence import Evidence, unit_of_size
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._rounding import agrees, is_number
from cortexscope.audit._words import metric_unit, spoken
from cortexscope.audit.kinds._compared import all_right, clustered, compared, figures_agree
from cortexscope.audit.kinds._kind import Kind
from cortexscope.records import ModelInfo

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["ModelFigures"]

# Of each model in the study: 12 tasks of 2 prompts.
_STUDY_PROMPTS = 24


class ModelFigures(Kind):
    """Facts and figures of models, by column."""

    kind: Literal["model_figures"]
    values: dict[str, dict[str, str]]
    of_runs: ClassVar[bool] = True
    of_named_models: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Recompute averages of models, and compare their facts."""
        if evidence.run is not None:
            return self._over_prompts(evidence, evidence.run)
        if evidence.cells is None:
            return evidence.says(None, "No other claim says what they are made of.")
        quantities = []
        for model, claimed in self.values.items():
            facts = evidence.facts.get(model, {})
            for column, text in claimed.items():
                name = f"{spoken(column)}, {model}"
                if column in facts and not is_number(text):
                    right = facts[column] == text
                    quantities.append(Quantity(name, text, facts[column], right=right))
                else:
                    known = evidence.models.get(column, {}).get(model)
                    quantities.append(compared(name, text, known, metric=column))
        return figures_agree(evidence, quantities)

    def _over_prompts(self, evidence: Evidence, run: RunValues) -> Check:
        """Ask whether averages could be of as many other prompts, in models of the run."""
        known = run.of_study()
        quantities = [
            _predicted(model, column, text, label, evidence)
            if is_number(text)
            else _fact(model, column, text, run.info(label))
            for model, label in known.items()
            for column, text in self.values.get(model, {}).items()
        ]
        if not quantities:
            said = f"The run has none of the study's {len(self.values)} models."
            return evidence.says(None, said)
        held = [quantity.right for quantity in quantities]
        wrong = [quantity.name for quantity in quantities if quantity.right is False]
        said = (
            f"Of the study's {len(self.values)} models the run has {len(known)}; "
            f"{held.count(True)} of {len(held)} figures are as they may be for "
            f"{_STUDY_PROMPTS} prompts of this suite"
        )
        said += f"; not so: {', '.join(wrong[:4])}." if wrong else "."
        return evidence.says(all_right(held), said, *quantities)


def _predicted(model: str, column: str, text: str, label: str, evidence: Evidence) -> Quantity:
    """Compare a figure with the prediction interval of a mean of as many prompts."""
    from scipy.special import stdtrit

    name, table = f"{spoken(column)}, {model}", evidence.prompts.get(column)
    if table is None or label not in table:
        return Quantity(name, text, None, note=f"not measured in {label}")
    numbers = clustered(table, table[label].to_numpy())
    n, mean = len(numbers), float(numbers.mean())
    if n < 2:
        return Quantity(name, text, mean, note="one prompt tells nothing about the spread")
    reach = float(stdtrit(n - 1, 0.975)) * float(numbers.std(ddof=1))
    reach *= math.sqrt(1 / n + 1 / _STUDY_PROMPTS)
    within = abs(float(text) - mean) <= reach
    note = f"n = {n} prompts; interval of the mean of {_STUDY_PROMPTS} further prompts"
    return Quantity(name, text, mean, mean - reach, mean + reach, within, note, metric_unit(column))


def _fact(model: str, column: str, text: str, info: ModelInfo) -> Quantity:
    name, found = f"{spoken(column)}, {model}", info.parameters
    if column != "Parameters":
        return Quantity(name, text, info.stack_kind, right=info.stack_kind == text)
    right = agrees(text.rstrip("KMB"), found / unit_of_size(text))
    return Quantity(name, text, float(found), right=right)
