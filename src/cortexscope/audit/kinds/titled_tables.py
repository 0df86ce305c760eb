"""The tables have these numbers."""

from __future__ import annotations

from typing import Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit.kinds._compared import figures_agree
from cortexscope.audit.kinds._kind import Kind

__all__ = ["TitledTables"]


class TitledTables(Kind):
    """The tables have these numbers."""

    kind: Literal["titled_tables"]
    titles: dict[int, str]
    """Part of each table's title, by the number that it is given."""

    def judge(self, evidence: Evidence) -> Check:
        """Compare the numbers with those in the file."""
        quantities = []
        for number, title in self.titles.items():
            found = next((n for n, own in evidence.given.titles if title in own.lower()), None)
            right = None if found is None else found == number
            note = "" if found else "no such title in this source"
            name = f"number of the {title} in the file"
            quantities.append(Quantity(name, str(number), found, right=right, note=note))
        return figures_agree(evidence, quantities)
