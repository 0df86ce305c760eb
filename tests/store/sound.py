"""A small run in which a doctor finds nothing wrong, without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from report.made_runs import METRICS, SMALL, FakeModel, manifest_of, prompts_of, rows_of, table_of

from cortexscope.records import suite_hash
from cortexscope.store import Run, RunWriter

__all__ = ["PROMPTS", "sound_run"]

PROMPTS = prompts_of(("logical_puzzles",), 2)


def sound_run(path: Path, model: FakeModel = SMALL) -> Run:
    """Write the run."""
    manifest = manifest_of([model.info()], PROMPTS, METRICS)
    suite = manifest.suite.model_copy(update={"hash": suite_hash([("logical_puzzles", PROMPTS)])})
    writer = RunWriter(path, manifest.model_copy(update={"suite": suite}), PROMPTS)
    rows = list(rows_of(model, PROMPTS, np.random.default_rng(0)))
    writer.write_shard(model.label, 0, table_of(model.label, rows))
    writer.finish("2026-05-04T10:13:40+00:00")
    return Run(path)
