"""What columns of the user's own say of a prompt, in front of a reader."""

from __future__ import annotations

import numpy as np

from cortexscope.report._labels import shortened

__all__ = ["own_text"]

_LONGEST = 60


def own_text(value: object) -> str | None:
    """Return a value in a few words; None where a prompt has none.

    Example:
        >>> own_text(True), own_text(3), own_text(float("nan"))
        ('true', '3', None)
    """
    import pandas as pd

    if pd.isna(value):  # type: ignore[call-overload]
        return None
    truth = isinstance(value, bool | np.bool_)
    return shortened(str(value).lower() if truth else str(value), _LONGEST)
