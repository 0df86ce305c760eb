"""The paper is of this year."""

from __future__ import annotations

import re
from typing import Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit.kinds._kind import Kind

__all__ = ["Year"]


class Year(Kind):
    """The paper is of this year."""

    kind: Literal["year"]
    value: str

    def judge(self, evidence: Evidence) -> Check:
        """Compare the year with the dates that the files state."""
        dates = evidence.given.dates
        quantities = [Quantity(f"date in {name}", None, date) for name, date in dates.items()]
        matches = {name: re.match(r"\d{4}", date) for name, date in dates.items()}
        years = {name: int(found[0]) for name, found in matches.items() if found}
        later = [name for name, year in years.items() if year > int(self.value)]
        if later:
            said = (
                f"{dates[later[0]]} is the date that {later[0]} gives for its making: a "
                f"paper of {self.value} cannot have these figures from it."
            )
            return evidence.says(False, said, *quantities)
        said = "No file gives a date." if not years else "No file is later; nothing says more."
        return evidence.says(None, said, *quantities)
