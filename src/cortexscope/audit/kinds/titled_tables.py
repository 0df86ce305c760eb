"""The tables have these numbers."""

from __future__ import annotations

from typing import Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
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
            found = next(
                (n for n, own in evidence.given.titles.items() if title in own.lower()), None
            )
            right = None if found is None else found == number
            note = "" if found else "no such title in this source"
            name = f"number of the {title}"
            quantities.append(Quantity(name, str(number), found, right=right, note=note))
        known = [quantity for quantity in quantities if quantity.right is not None]
        wrong = [quantity for quantity in known if not quantity.right]
        if wrong:
            named = "; ".join(
                f"{q.name.removeprefix('number of ')} is {q.claimed} in the README and {q.found} "
                "in the file"
                for q in wrong
            )
            said = f"{len(wrong)} of {len(known)} tables have another number: {named}."
            return evidence.says(False, said, *quantities)
        if len(known) < len(quantities):
            said = "The titles of the tables are not in this source."
            return evidence.says(None, said, *quantities)
        return evidence.says(True, f"All {len(known)} have these numbers.", *quantities)
