"""What came of the answers to a run's prompts: one file beside its measurements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from cortexscope.errors import CorruptRunError
from cortexscope.files import whole_file
from cortexscope.store._contents import FileFault, read_columns
from cortexscope.store._frames import to_frame
from cortexscope.store._layout import LOCK
from cortexscope.store._layout import OUTCOMES as NAME
from cortexscope.store._lock import RunLock
from cortexscope.store._schema import OUTCOMES, WRITTEN

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["outcomes_table", "read_outcomes", "write_outcomes"]


def write_outcomes(path: Path, model: str, outcomes: Mapping[str, float], *, source: str) -> None:
    """Keep what came of a model's answers in its run, in the place of what was kept of it before.

    Args:
        path: the run folder.
        model: the label of the model that answered.
        outcomes: by prompt id, 1 for right and 0 for wrong, or scores.
        source: what they were read from.

    Raises:
        RunLockedError: if another process is writing there.
        StoreError: if the folder cannot be written.
        CorruptRunError: if the file that is there is damaged.
    """
    rows = [
        {"model": model, "prompt_id": name, "outcome": value, "source": source}
        for name, value in outcomes.items()
    ]
    lock = RunLock(path / LOCK)
    try:
        kept = outcomes_table(path)
        others = kept.filter(pa.compute.not_equal(kept["model"], model))
        table = pa.concat_tables([others, pa.Table.from_pylist(rows, OUTCOMES)])
        with whole_file(path / NAME) as part:
            pq.write_table(table, part, **WRITTEN)
    finally:
        lock.release()


def read_outcomes(path: Path) -> pd.DataFrame:
    """Return the outcomes that a run folder has, in the columns of `OUTCOMES`.

    Raises:
        CorruptRunError: if the file is damaged.
    """
    return to_frame(outcomes_table(path))


def outcomes_table(path: Path) -> pa.Table:
    """Return what `read_outcomes` does as an Arrow table.

    Raises:
        CorruptRunError: if the file is damaged.
    """
    file = path / NAME
    if not file.is_file():
        return OUTCOMES.empty_table()
    try:
        return read_columns(file, schema=OUTCOMES).cast(OUTCOMES)
    except FileFault as fault:
        raise CorruptRunError(
            f"{file} {fault}; remove it, and `cortexscope outcomes` writes it again."
        ) from fault
