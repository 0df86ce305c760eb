"""A manifest that is lost or damaged comes back from its copy, and nothing is measured again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from store.sound import PROMPTS, sound_run

from cortexscope.cli import main
from cortexscope.errors import CorruptRunError, StoreError
from cortexscope.store import Run, RunWriter, examine
from cortexscope.store._manifest import COPY, MANIFEST


def lose(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-50])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    sound_run(tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("harm", [lose, empty, cut])
def test_the_doctor_puts_it_back(
    path: Path, harm: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    before, values = Run(path).manifest, Run(path).measurements_table()
    harm(path / MANIFEST)
    with pytest.raises(CorruptRunError, match=r"cortexscope doctor .* puts the copy of it back"):
        Run(path)
    assert main(["doctor", str(path)]) == 1
    assert "--repair puts the copy of it back" in capsys.readouterr().out
    assert main(["doctor", str(path), "--repair"]) == 0
    assert Run(path).manifest == before
    assert Run(path).measurements_table().equals(values)
    assert (path / "damaged" / MANIFEST).exists() == (harm is not lose)


@pytest.mark.parametrize("harm", [lose, empty, cut])
def test_who_goes_on_puts_it_back(path: Path, harm: Callable[[Path], None]) -> None:
    manifest = Run(path).manifest
    harm(path / MANIFEST)
    with RunWriter(path, manifest, PROMPTS, resume=True):
        pass
    assert Run(path).manifest == manifest


def test_it_is_as_new_as_the_manifest_itself(path: Path) -> None:
    assert json.loads((path / COPY).read_text())["status"] == "complete"
    assert (path / COPY).read_bytes() == (path / MANIFEST).read_bytes()


def test_a_damaged_copy_does_no_harm(path: Path) -> None:
    cut(path / COPY)
    assert Run(path).manifest.status == "complete"
    assert examine(path) == []
    cut(path / MANIFEST)
    with pytest.raises(CorruptRunError, match="run again into another folder"):
        Run(path)


def test_without_both_there_is_no_run(path: Path) -> None:
    lose(path / COPY)
    lose(path / MANIFEST)
    with pytest.raises(StoreError, match="no run in"):
        Run(path)
