"""What a part is set to: zero, its mean over reference prompts, or the value of another prompt."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cortexscope.errors import UsageError
from cortexscope.interventions._reading import SUITE, Prompts, Wanted

__all__ = ["ZERO", "Value"]


class Value(NamedTuple):
    """One vector, the same at every token."""

    kind: Literal["zero", "mean", "from"] = "zero"
    of: str | None = None
    """Of `mean` the suite, of `from` the id of a prompt in the built-in suite."""

    @classmethod
    def parse(cls, how: str | None) -> Value:
        """Return what a user typed behind `=`.

        Raises:
            UsageError: if it is none of the three.

        Example:
            >>> Value.parse("mean"), str(Value.parse("from:math-001"))
            (Value(kind='mean', of='cognitive'), 'from:math-001')
        """
        kind, _, of = (how or "zero").partition(":")
        if kind == "zero" and not of:
            return cls()
        if kind == "mean":
            return cls("mean", of or SUITE)
        if kind == "from" and of:
            return cls("from", of)
        raise UsageError(
            f"A part cannot be set to {how!r}; write zero, mean (over the built-in suite), "
            "mean:SUITE, or from:PROMPT with the id of a prompt of the built-in suite."
        )

    def __str__(self) -> str:
        if self == Value("mean", SUITE):
            return "mean"
        return self.kind if self.of is None else f"{self.kind}:{self.of}"

    @property
    def words(self) -> str:
        """What became of a part, for a sentence."""
        return {
            "zero": "was removed",
            "mean": "was replaced by its mean",
            "from": "was replaced by its value in another prompt",
        }[self.kind]

    def wanted(self, path: str) -> Wanted | None:
        """Return what must be read at a matrix's input for it."""
        if self.kind == "mean":
            return Wanted(path, "input", "mean", Prompts(self.of or SUITE))
        if self.kind == "from":
            return Wanted(path, "input", "last", Prompts(id=self.of))
        return None


ZERO = Value()
"""What a part is set to where nothing is said."""
