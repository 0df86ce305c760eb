"""How many models, tasks, combinations or architectures there are."""

from __future__ import annotations

from typing import Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._words import counted
from cortexscope.audit.kinds._kind import Kind

__all__ = ["Count"]


class Count(Kind):
    """How many there are."""

    kind: Literal["count"]
    of: Literal["combinations", "models", "tasks", "architectures"]
    value: str
    names: tuple[str, ...] = ()
    """Of the tasks, as the README lists them."""

    def judge(self, evidence: Evidence) -> Check:
        """Compare the number with that of the rows."""
        if self.of == "combinations":
            return self._combinations(evidence)
        found = evidence.counts[self.of]
        right = str(found) == self.value
        quantity = Quantity(self.of, self.value, found, right=right)
        are = "is" if found == 1 else "are"
        said = f"{counted(found, self.of.removesuffix('s'))} {are} listed."
        return evidence.says(right, said, quantity)

    def _combinations(self, evidence: Evidence) -> Check:
        models, tasks = evidence.counts["models"], evidence.counts["tasks"]
        found = evidence.counts.get("combinations", models * tasks)
        right = str(found) == self.value
        both = f"{counted(models, 'model')} and {counted(tasks, 'task')}"
        said = f"{both} give {counted(models * tasks, 'combination')}"
        said += "" if found == models * tasks else f", of which {found} are there"
        quantities = [Quantity("combinations", self.value, found, right=right)]
        if evidence.inputs is not None:
            quantities.append(Quantity("inputs analysed, in all", None, evidence.inputs))
            if not right and str(evidence.inputs) == self.value and found:
                each = f"{evidence.inputs / found:g}"
                said += f"; {self.value} is the number of inputs, {each} for each combination"
        return evidence.says(right, f"{said}.", *quantities)
