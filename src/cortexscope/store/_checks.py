"""Whether rows of a file are of its model and of its prompts, and each there once."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cortexscope.store._contents import FileFault, parts, used

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CHECKED", "check_prompts", "check_rows", "check_values"]

_KEYS = ("metric", "stack", "layer", "head", "index", "step")
"""What a file holds no two rows of for one prompt, or one task; the model is the file's."""

CHECKED = ("model", "prompt_id", "task", *_KEYS)
"""The columns that `check_rows` looks at."""


def check_rows(table: pa.Table, model: str, *, of_prompts: bool) -> None:
    """Check that rows of a file are of a model, and no two of them the same measurement.

    Args:
        table: all of them, or those of some metrics, as `read_rows` gives them, with the columns
            `CHECKED` at least.
        model: the label.
        of_prompts: whether each must be of a prompt, or none.

    Raises:
        FileFault: if they are not.
    """
    import numpy as np

    for other in used(parts(table["model"])):
        if other != model:
            raise FileFault(f"holds rows of {other!r}")
    if table["prompt_id"].null_count != (0 if of_prompts else len(table)):
        raise FileFault("holds rows of no prompt" if of_prompts else "holds rows of single prompts")
    codes = np.zeros(len(table), np.int64)
    size = 1
    for name in ("prompt_id" if of_prompts else "task", *_KEYS):
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column, _ = parts(column)
        numbers = np.asarray(pc.fill_null(pc.cast(column, pa.int64()), -1))
        low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
        span = high - low + 1
        if size > 2**62 // span:
            _, codes = np.unique(codes, return_inverse=True)
            size = len(codes)
        codes = codes * span + (numbers - low)
        size *= span
    twice = len(codes) - _distinct(codes, size)
    if twice:
        raise FileFault(f"holds {twice:,} of its {len(codes):,} rows twice")


def _distinct(codes: NDArray[np.int64], size: int) -> int:
    """Return how many of these numbers below `size` differ."""
    import numpy as np

    if size <= 8 * len(codes):
        return int(np.count_nonzero(np.bincount(codes, minlength=1)))
    codes.sort()
    return int((codes[1:] != codes[:-1]).sum()) + bool(len(codes))


def check_values(table: pa.Table) -> None:
    """Check that each row has a finite value, or none and a reason.

    Args:
        table: of measurements, as `read_rows` gives it.

    Raises:
        FileFault: if one has not.
    """
    import numpy as np

    value = table["value"]
    none = np.asarray(value.is_null())
    unsaid = int((none & np.asarray(table["reason"].is_null())).sum())
    if unsaid:
        raise FileFault(f"holds {unsaid:,} rows with neither a value nor a reason")
    infinite = int((~np.isfinite(np.asarray(value.fill_null(0.0)))).sum())
    if infinite:
        raise FileFault(f"holds {infinite:,} values that are not finite")


def check_prompts(
    found: Collection[str | None], planned: Collection[str], *, all_of_them: bool = True
) -> None:
    """Check that what a file holds is of the prompts that it is planned to hold, each once.

    Args:
        found: their ids.
        planned: the ids of those that should be there.
        all_of_them: whether each of these must be there.

    Raises:
        FileFault: if it is not.
    """
    extra = set(found) - set(planned)
    if extra:
        raise FileFault(f"holds the prompt {min(map(str, extra))!r} of another file")
    lost = set(planned) - set(found)
    if lost and all_of_them:
        raise FileFault(f"lacks the prompt {min(lost)!r}")
    if len(found) != len(set(found)):
        raise FileFault("holds prompts twice")
