"""Whether one thing is clearly beyond all others: a test over models, or over tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cortexscope.audit._records import Lead, Over, Rank
from cortexscope.audit._words import counted

__all__ = ["NOTES", "in_short", "lead_over", "lead_text"]

NOTES = (
    "A lead is tested with the exact sign-flip test of paired differences (Fisher 1935), two-sided "
    "since the leader was chosen in the same figures (Gutmann and Maymin 1987); being beyond all "
    "others takes the largest of the p-values against each (Berger 1982). It is called clear where "
    "that is at most 0.05.",
    "A cell is the mean of two prompts, and how far these lie apart is not published: no lead in "
    "a single cell can be tested, and a test over models takes the prompts as given. It speaks of "
    "other models with these prompts; whether other prompts of a task would show the same, two "
    "cannot tell.",
    "A claim on one model is tested over the tasks, which stand for what else it might be asked; "
    "it speaks of these models.",
)
"""How leads are tested, and what two prompts a cell can and cannot show."""

Values = Mapping[str, Mapping[str, float]]
"""By what it is paired over and by what is compared; turned so that the extreme is the highest."""


def lead_over(
    over: Over,
    values: Values,
    own: str,
    rivals: Sequence[str],
    *,
    words: str,
    unit: str = "",
) -> Lead | None:
    """Test whether one is beyond every rival; None where none of `values` has all of them.

    `words` name the difference, with `{}` for the rival that comes next on average.
    """
    names = (own, *rivals)
    used = {where: row for where, row in values.items() if all(name in row for name in names)}
    if not used or not rivals:
        return None
    differences = np.array([[row[own] - row[name] for name in rivals] for row in used.values()])
    # Figures are printed with four digits: what is left below is rounding of the subtraction.
    differences = differences.round(9)
    n, p = len(used), _p(differences)
    following = int(np.argmin(differences.mean(axis=0)))
    worst = int(np.argmax(p)) if p.max() > p[following] else following
    following_own = differences[:, following]
    return Lead(
        own=own,
        words=words.format(rivals[following]),
        over=over,
        n=n,
        ahead=int((following_own > 0).sum()),
        tied=int((following_own == 0).sum()),
        mean=float(following_own.mean()),
        error=float(following_own.std(ddof=1)) / math.sqrt(n) if n > 1 else None,
        p=float(p[worst]),
        rival=rivals[worst],
        rivals=len(rivals),
        least=_least(n),
        unit=unit,
        ranks=tuple(_rank(where, row, own) for where, row in used.items()),
    )


def _p(differences: np.typing.NDArray[np.float64]) -> np.typing.NDArray[np.float64]:
    """Return the p-value of each column, [rival]."""
    from cortexscope.stats import max_t_paired

    p = max_t_paired(differences, rng=np.random.default_rng(0)).p
    # Student's t is undefined where all differences are the same, and their signs are not.
    same = np.where((differences == 0).all(axis=0), 1.0, _least(len(differences)))
    return np.where(np.isnan(p), same, p)


def _least(n: int) -> float:
    """Return the smallest p; with more than 13, flips are drawn (10,000 of them)."""
    return max(2.0 ** (1 - n), 1 / 10_001)


def _rank(where: str, row: Mapping[str, float], own: str) -> Rank:
    first = 1 + sum(value > row[own] for value in row.values())
    tied = tuple(name for name, value in row.items() if value == row[own] and name != own)
    return Rank(where, first, first + len(tied), len(row), tied)


def in_short(leads: Sequence[Lead]) -> str:
    """Return the tests in half a sentence; all are over the same models or tasks.

    Example:
        >>> in_short([Lead("b", "b less a", "models", 6, 4, 1, 0.5, 0.25, 0.12, "a", 1, 0.031)])
        'b less a is above 0 in 4 of 6 models, p = 0.12 (the smallest possible: 0.031)'
    """
    tests = "; ".join(
        f"{lead.words} is above 0 in {lead.ahead} of {counted(lead.n, lead.over[:-1])}, "
        f"p = {lead.p:.2g}"
        for lead in leads
    )
    return f"{tests} (the smallest possible: {leads[0].least:.2g})"


def lead_text(lead: Lead) -> str:
    """Return the test in a sentence.

    Example:
        >>> lead_text(Lead("b", "b less a", "models", 6, 4, 1, 0.5, 0.25, 0.125, "a", 1, 0.03125))
        'b less a: 0.5 (standard error 0.25), above 0 in 4 of 6 models and 0 in 1; p = 0.12; ...'
    """
    error = "" if lead.error is None else f" (standard error {lead.error:.3g})"
    tied = f" and 0 in {lead.tied}" if lead.tied else ""
    against = f" against {lead.rival}, the largest of {lead.rivals}" if lead.rivals > 1 else ""
    unit = f" {lead.unit}" if lead.unit else ""
    of = counted(lead.n, lead.over[:-1])
    return (
        f"{lead.words}: {lead.mean:.3g}{unit}{error}, above 0 in {lead.ahead} of {of}{tied}; "
        f"p = {lead.p:.2g}{against}; the smallest p that {of} can give is {lead.least:.2g}."
    )
