"""A changed bit in a file of a run is told by the file itself, whatever else is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from cortexscope.errors import CorruptRunError
from cortexscope.records import Site
from cortexscope.store import MEASUREMENTS
from cortexscope.store._contents import FileFault, read_rows
from cortexscope.store._vectors import Vectors, read_vectors, write_vectors
from cortexscope.store._written import write_parquet

FLIPS = 1000


def changed_unseen(file: Path, read: Callable[[Path], object], same: Callable[..., bool]) -> int:
    """Change a random bit of a file many times; return how often it is read as other content."""
    whole, content, rng = file.read_bytes(), read(file), random.Random(1)
    other = file.with_name(f"changed-{file.name}")
    unseen = 0
    for _ in range(FLIPS):
        place = rng.randrange(8 * len(whole))
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        other.write_bytes(changed)
        try:
            unseen += not same(read(other), content)
        except (FileFault, CorruptRunError):
            continue
    return unseen


def same_vectors(one: Vectors, two: Vectors) -> bool:
    """Return whether two are the same to the bit."""
    pools = [
        {
            (pool, site, name): value
            for pool, sites in own.pools.items()
            for site, sums in sites.items()
            for name, value in sums.items()
        }
        for own in (one, two)
    ]
    return (
        list(one.prompts) == list(two.prompts)
        and pools[0].keys() == pools[1].keys()
        and all(torch.equal(pools[0][key], pools[1][key]) for key in pools[0])
    )


@pytest.mark.parametrize("halved", [False, True])
def test_vectors_with_a_changed_bit_are_refused(tmp_path: Path, *, halved: bool) -> None:
    sites = {
        Site("decoder", layer): {"vector": torch.randn(9, 32), "tokens": torch.arange(9)}
        for layer in range(4)
    }
    prompts = [(f"prompt {number}", "a task") for number in range(9)]
    file = tmp_path / "vectors.safetensors"
    write_vectors(file, Vectors({"mean_state": sites}, prompts), halved=halved)
    assert changed_unseen(file, read_vectors, same_vectors) == 0


def test_measurements_with_a_changed_bit_are_refused(tmp_path: Path) -> None:
    rng = random.Random(2)
    rows = [
        {
            "model": "a",
            "task": "t",
            "prompt_id": f"t-{number // 30:02d}",
            "n_tokens": 12,
            "metric": "residual_norm",
            "stack": "decoder",
            "layer": number % 30,
            "value": rng.gauss(0, 1),
        }
        for number in range(1500)
    ]
    file = tmp_path / "rows.parquet"
    write_parquet(file, pa.Table.from_pylist(rows, MEASUREMENTS))

    def same(one: pa.Table, two: pa.Table) -> bool:
        return bool(one.equals(two))

    assert changed_unseen(file, read_rows, same) == 0
