"""What a probe measures of forward passes, by prompt and key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from batches import Batch
from reference import METRICS, Key, Outcome

from cortexscope.measure import attach

__all__ = ["measured", "outcomes"]


def measured(
    model: torch.nn.Module, *batches: Batch, metrics: Sequence[str] = METRICS
) -> list[dict[Key, Outcome]]:
    """Return what was measured of each prompt of these batches, in their order."""
    with attach(model, metrics=metrics) as probe, torch.no_grad():
        for batch in batches:
            model(**batch)
    return list(outcomes(probe.frame()).values())


def outcomes(frame: pd.DataFrame) -> dict[str, dict[Key, Outcome]]:
    """Return the values of each prompt, or the reasons why there are none."""
    found: dict[str, dict[Key, Outcome]] = {}
    rows: list[Any] = frame.to_dict("records")
    for row in rows:
        layer, head, index = (
            None if pd.isna(row[name]) else int(row[name]) for name in ("layer", "head", "index")
        )
        key = (row["metric"], row["stack"], layer, head, index)
        of_prompt = found.setdefault(row["prompt_id"], {})
        assert key not in of_prompt, key
        of_prompt[key] = row["reason"] if pd.isna(row["value"]) else float(row["value"])
    return found
