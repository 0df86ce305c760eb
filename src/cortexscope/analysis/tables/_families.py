"""p-values that count all metrics tested alike: step-down max-T."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from cortexscope.stats import step_down

__all__ = ["add_families", "prompts_of"]


def add_families(rows: list[dict[str, Any]], *, statistic: str, of: tuple[str, ...]) -> None:
    """Add `p_max_t` and `p_least` to rows, NaN where a row has no permutations.

    Step-down max-T over the metrics of the same prompts, times the number of such groups.

    Args:
        rows: each with its statistic, `permuted` (in each permutation) and `prompts`.
        statistic: the name of what is tested; larger ones speak against chance.
        of: the columns that rows of one family share.
    """
    families: dict[tuple[str, ...], dict[bytes, list[dict[str, Any]]]] = {}
    for row in rows:
        row |= {"p_max_t": np.nan, "p_least": np.nan}
        if row["permuted"] is not None:
            family = families.setdefault(tuple(row[name] for name in of), {})
            family.setdefault(row["prompts"], []).append(row)
    for groups in families.values():
        for own in groups.values():
            tested = np.column_stack([np.append(row[statistic], row["permuted"]) for row in own])
            least = len(groups) / len(tested)
            for row, p in zip(own, step_down(tested)[1], strict=True):
                row |= {"p_max_t": min(len(groups) * p, 1.0), "p_least": min(least, 1.0)}


def prompts_of(clusters: Sequence[str]) -> bytes:
    """Return 16 bytes that the same prompts have in common.

    In the place of their names, of which each of a thousand tests would keep a megabyte.
    """
    return hashlib.blake2b(json.dumps(clusters).encode(), digest_size=16).digest()
