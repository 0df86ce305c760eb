"""A list of runs says of each what it is and how far it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from store.test_completeness import made

from cortexscope.cli import main
from cortexscope.store import list_runs
from cortexscope.store._layout import LOCK
from cortexscope.store._lock import RunLock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Runs in each state, and what is none."""
    made(tmp_path / "whole")
    made(tmp_path / "deep" / "half", finished=False, written=2)
    made(tmp_path / "lost").measurement_files()[0].unlink()
    made(tmp_path / "empty").measurement_files()[0].write_bytes(b"")
    made(tmp_path / "torn")
    (tmp_path / "torn" / "manifest.json").write_text("{")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "manifest.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "whole")
    return tmp_path


def test_a_name_of_a_column_that_is_no_text_any_more_is_damage(tmp_path: Path) -> None:
    made(tmp_path / "run")
    models = tmp_path / "run" / "models.parquet"
    models.write_bytes(models.read_bytes().replace(b"hidden_size", b"hidd\xecn_size"))
    (found,) = list_runs(tmp_path)
    assert (found.state, found.why) == ("damaged", "models.parquet is damaged")


def test_each_state_is_told_apart(folder: Path) -> None:
    shutil.copytree(folder / "deep" / "half", folder / "now")
    lock = RunLock(folder / "now" / LOCK)
    found = {str(run.path.relative_to(folder)): (run.state, run.why) for run in list_runs(folder)}
    lock.release()
    assert found.pop("torn")[0] == "damaged"
    assert found == {
        "whole": ("complete", ""),
        "deep/half": ("unfinished", "4 of 6 shards"),
        "now": ("running", "4 of 6 shards"),
        "lost": ("damaged", "00-tiny-00000.parquet is missing"),
        "empty": ("damaged", "00-tiny-00000.parquet is damaged"),
    }


def test_depth_bounds_how_far_down_is_looked(folder: Path) -> None:
    assert "half" not in {run.path.name for run in list_runs(folder, depth=1)}
    (alone,) = list_runs(folder / "whole", depth=0)
    assert (alone.models, alone.prompts) == (("tiny", "other"), 12)
    assert alone.size == sum(
        path.stat().st_size for path in alone.path.rglob("*") if path.is_file()
    )


def test_the_command_prints_a_line_a_run_or_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ls", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert "unfinished (4 of 6 shards)" in lines[1]
    assert main(["ls", str(folder), "--json"]) == 0
    (half, *_) = json.loads(capsys.readouterr().out)["runs"]
    assert (half["state"], half["suite"], half["finished"]) == ("unfinished", "cognitive", None)
    assert main(["ls", str(folder / "none")]) == 2
    assert "There is no folder" in capsys.readouterr().err
