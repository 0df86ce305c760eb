"""A full disk, whatever file it meets, is one sentence; nothing is left half written."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from generated import folder_of, suite_of

from cortexscope.cli import main
from cortexscope.store import Run

pytestmark = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="the system has no device that is full"
)

_SHARD = "00-tiny-00000"
_MEASURED = (
    "prompts.parquet",
    "models.parquet",
    "manifest.json",
    f"measurements/{_SHARD}.parquet",
    f"measurements/{_SHARD}-steps.parquet",
    f"generations/{_SHARD}.parquet",
    f"vectors/{_SHARD}.safetensors",
    "measurements/00-tiny-tasks.parquet",
)
_MADE = (
    ("report", "tables/tables.txt"),
    ("report", "tables/table1.csv"),
    ("report", "tables/tables.xlsx"),
    ("report", "figures/depth.png"),
    ("report", "figures/depth.svg"),
    ("report", "report.html"),
    ("tables", "tables/tables.xlsx"),
    ("workbooks", "workbooks/results.xlsx"),
    ("workbooks", "workbooks/tables.xlsx"),
    ("figures", "figures/depth.pdf"),
    ("stats", "stats/values.csv"),
    ("stats", "stats/stats.json"),
    ("audit", "audit/audit.md"),
    ("audit", "audit/audit.html"),
    ("audit", "audit/audit.json"),
)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = folder_of("llama", tmp_path_factory.mktemp("full") / "llama")
    suite = suite_of(folder, lengths=(7, 12, 3, 10))
    asked = ["run", "--model", f"tiny={folder}", "--suite", str(suite), "--no-selfcheck", "--quiet"]
    asked += ["--generate", "2", "--batch-tokens", "4", "--no-report"]
    for name in ("residual_norm", "surprisal", "study.max_sparsity", "cka"):
        asked += ["--metric", name]
    return asked


@pytest.fixture(scope="module")
def whole(asked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("full") / "run"
    assert main([*asked, "--out", str(out)]) == 0
    return out


def _fill(file: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the bytes of one file go to a device that is full."""
    part = file.with_name(f".part-{'0' * 8}-{file.name}")

    def named() -> SimpleNamespace:
        part.parent.mkdir(parents=True, exist_ok=True)
        if not part.is_symlink():
            part.symlink_to("/dev/full")
        return SimpleNamespace(hex="0" * 32)

    patch.setattr("cortexscope.files.uuid", SimpleNamespace(uuid4=named))


def _check(said: str, file: Path) -> None:
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    assert f"Cannot write {file}: the disk is full; free some space" in said
    assert not file.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", _MEASURED)
def test_of_a_run(
    asked: list[str],
    whole: Path,
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        _fill(out / name, patch)
        assert main([*asked, "--out", str(out)]) == 1
    _check(capsys.readouterr().err, out / name)
    assert not list(tmp_path.rglob(".part-*")) or not Run(out).measurement_files()
    assert main([*asked, "--out", str(out), "--resume"]) == 0
    assert Run(out).measurements(steps=True).equals(Run(whole).measurements(steps=True))
    assert Run(out).remarks == ()
    assert not list(tmp_path.rglob(".part-*"))


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "name"), _MADE)
def test_of_what_is_made_of_a_run(
    whole: Path,
    tmp_path: Path,
    verb: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    more = {
        "tables": ["--format", "xlsx"],
        "figures": ["--format", "pdf"],
        "stats": ["--quiet", "--permutations", "100", "--resamples", "100"],
        "audit": ["--out", str(out / "audit")],
    }
    with monkeypatch.context() as patch:
        _fill(out / name, patch)
        assert main([verb, str(out), *more.get(verb, [])]) == 1
    _check(capsys.readouterr().err, out / name)
    assert not list((out / name).parent.glob(".part-*"))
