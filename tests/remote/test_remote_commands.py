"""Runs that are measured into a URL: uploaded as they grow, gone on with, and never half seen."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

import cortexscope
from cortexscope.cli import main
from cortexscope.cli._ending import Stopped
from cortexscope.errors import StoreError, UsageError
from cortexscope.remote import RemoteFolder
from cortexscope.store import RemoteRun, Run

pytestmark = pytest.mark.slow

Asked = Callable[..., int]


@pytest.fixture
def ask(tiny_folder: Path, suite_file: Path) -> Asked:
    """What carries out `run` on a tiny model in several shards."""

    def asked(out: object, *more: str) -> int:
        return main(
            ["run", "--model", f"tiny={tiny_folder}", "--suite", str(suite_file), "--truncate",
             "--metric", "residual_norm", "--batch-tokens", "64", "--no-selfcheck",
             "--no-report", "--out", str(out), *more]
        )  # fmt: skip

    return asked


def manifest(url: str) -> dict[str, object]:
    store, root = fsspec.url_to_fs(url)
    found: dict[str, object] = json.loads(store.cat_file(f"{root}/manifest.json"))
    return found


def test_a_run_at_a_url_is_the_run_in_a_folder(
    ask: Asked, base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path / "here") == 0
    assert ask(base) == 0
    assert f"Uploaded: {base}" in capsys.readouterr().out
    here = Run(tmp_path / "here").measurements_table()
    assert Run(base).measurements_table().equals(here)
    assert ask(base) == 2
    assert f"{base} holds a run; continue it with --resume" in capsys.readouterr().err
    assert ask(base, "--resume") == 0
    assert ask(base, "--force") == 0
    assert Run(base).measurements_table().equals(here)
    assert ".lock" not in RemoteFolder(base).entries()


def test_what_is_finished_is_there_while_the_run_goes_on(
    ask: Asked, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[object, int]] = []
    step = RemoteRun.step

    def stepped(self: RemoteRun) -> None:
        step(self)
        files = [name for name in self.remote.entries() if name.startswith("measurements/")]
        seen.append((manifest(base)["status"], len(files)))

    monkeypatch.setattr("cortexscope.store._remote_run._EVERY", 0.0)
    monkeypatch.setattr(RemoteRun, "step", stepped)
    assert ask(base) == 0
    assert {status for status, _ in seen} == {"running"}
    counts = [count for _, count in seen]
    assert counts == sorted(counts)
    assert counts[-1] > 0
    assert manifest(base)["status"] == "complete"


def test_a_run_that_was_stopped_goes_on_at_its_url(
    ask: Asked,
    base: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(self: RemoteRun) -> None:
        if any((self.path / "measurements").glob("*.parquet")):
            raise Stopped(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RemoteRun, "step", stop)
        assert ask(base) == 143
    told = capsys.readouterr().err
    kept = RemoteRun(base).path
    assert f"what is finished is kept in {kept}, and the same with --out {base} --resume" in told
    assert len(Run(kept).measurement_files()) >= 1
    # Nothing was uploaded, and no one is kept out.
    assert not RemoteFolder(base).entries()
    assert ask(base) == 2
    assert "were not uploaded" in capsys.readouterr().err
    assert ask(base, "--resume") == 0
    assert ask(tmp_path / "here") == 0
    here = Run(tmp_path / "here").measurements_table()
    assert Run(base).measurements_table().equals(here)


def test_an_upload_that_fails_costs_no_measurement(
    ask: Asked, base: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store, _ = fsspec.url_to_fs(base)

    def lost(*_: object, **__: object) -> None:
        raise TimeoutError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(store, "put", lost)
        assert ask(base) == 1
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "Error: " in line]
    kept = RemoteRun(base).path
    assert "no answer" in told
    assert Run(kept).manifest.status == "complete"
    command = told.partition("`cortexscope ")[2].partition("`")[0]
    assert command == f"upload {kept} {base}"
    assert main(command.split()) == 0
    assert Run(base).manifest == Run(kept).manifest


def test_users_and_passwords_stand_nowhere(
    ask: Asked,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CORTEXSCOPE_CACHE", str(tmp_path / "cache"))
    url = f"memory://me:pass-phrase@runs/{tmp_path.name}"
    for more in ([], [], ["--resume"]):
        ask(url, *more)
    for command in (["doctor", url], ["ls", url], ["tables", f"{url}/none"]):
        main(command)
    said = capsys.readouterr()
    assert f"memory://***@runs/{tmp_path.name}" in said.out
    assert "pass-phrase" not in said.out + said.err
    for file in tmp_path.rglob("*"):
        assert "pass-phrase" not in str(file)
        assert not file.is_file() or b"pass-phrase" not in file.read_bytes()


def test_python_measures_into_a_url(tiny_folder: Path, suite_file: Path, base: str) -> None:
    found = cortexscope.profile(
        f"tiny={tiny_folder}", suite_file, metrics=["residual_norm"], out=base, selfcheck=False
    )
    read = cortexscope.open_profile(base)
    assert read.frame().equals(found.frame())


def test_what_cannot_be_opened_is_told_before_a_model_is_loaded(tmp_path: Path) -> None:
    for url, kind, sentence in (
        ("what://bucket/run", UsageError, "fsspec has no such protocol"),
        ("memory://none/run", StoreError, "holds no run: there is no manifest.json"),
    ):
        with pytest.raises(kind, match=sentence):
            Run(url)
        assert main(["tables", url]) == kind.exit_code
    assert main(["run", "--model", "nosuch", "--out", "what://bucket/run"]) == 2


def test_a_bucket_that_is_missing_or_closed_is_told_in_a_sentence(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import s3fs

    monkeypatch.setenv("CORTEXSCOPE_CACHE", str(tmp_path))
    assert main(["tables", "s3://no-such-bucket/run"]) == 1
    assert "there is no such bucket or folder" in capsys.readouterr().err
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    assert main(["tables", "s3://runs/run"]) == 1
    assert "permission denied, or no credentials" in capsys.readouterr().err
    s3fs.S3FileSystem.clear_instance_cache()
