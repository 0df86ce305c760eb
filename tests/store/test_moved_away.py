"""A folder that is moved away while it is written gets nothing more, nor does its old place."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report.made_runs import SMALL, manifest_of, prompts_of

from cortexscope.errors import StoreError
from cortexscope.files import storage_errors
from cortexscope.store import MEASUREMENTS, RunWriter
from cortexscope.store._layout import LOCK
from cortexscope.store._lock import RunLock


@pytest.fixture
def writer(tmp_path: Path) -> RunWriter:
    asked = prompts_of(("logical_puzzles",), 2)
    manifest = manifest_of([SMALL.info()], asked, ("residual_norm",))
    return RunWriter(tmp_path / "run", manifest, asked)


_TABLE = MEASUREMENTS.empty_table()
_WRITES: dict[str, Callable[[RunWriter, str], object]] = {
    "a shard": lambda writer, model: writer.write_shard(model, 0, _TABLE),
    "steps": lambda writer, model: writer.steps(model, 0),
    "a whole": lambda writer, model: writer.write_whole(model, "tasks", _TABLE),
    "the manifest": lambda writer, model: writer.finish("now"),
}


@pytest.mark.parametrize("what", _WRITES)
@pytest.mark.parametrize("again", [False, True])
def test_nothing_is_written_where_it_was(
    writer: RunWriter, tmp_path: Path, what: str, again: bool
) -> None:
    out, aside = tmp_path / "run", tmp_path / "aside"
    out.rename(aside)
    if again:
        # Another run has begun in its place, and is left alone.
        other = RunLock(out / LOCK)
    with pytest.raises(StoreError, match=r"was moved or removed .*put it back .*--resume"):
        _WRITES[what](writer, writer.manifest.models[0].model)
    writer.__exit__(StoreError, None, None)
    assert out.exists() == again
    assert sorted(file.name for file in aside.iterdir() if file.is_file()) == [
        LOCK,
        "manifest.json",
        "models.parquet",
        "prompts.parquet",
    ]
    if again:
        assert (out / LOCK).exists()
        other.release()


def test_a_folder_that_goes_between_two_files_is_not_made_anew(
    writer: RunWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, aside = tmp_path / "run", tmp_path / "aside"
    real = Path.mkdir

    def mkdir(self: Path, *how: Any, **more: Any) -> None:
        if self.name == "hashes" and out.exists():
            out.rename(aside)
        real(self, *how, **more)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(StoreError, match="its folder is gone; put it back"):
        writer.write_shard(writer.manifest.models[0].model, 0, _TABLE)
    assert not out.exists()


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EFBIG, "no file may be so large here"),
        (errno.ENOENT, "its folder is gone; put it back"),
        (errno.EIO, "see that the place can be written"),
    ],
)
def test_every_error_of_the_system_says_how_to_go_on(number: int, says: str) -> None:
    with (
        pytest.raises(StoreError, match=rf"Cannot write here: .*{says}.*--resume continues a run"),
        storage_errors(Path("here")),
    ):
        raise OSError(number, "no")
