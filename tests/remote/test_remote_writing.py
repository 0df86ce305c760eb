"""A run is written at a URL so that none sees half of it, two never write, and nothing is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from buckets import names, put
from store.sound import sound_run
from store.test_completeness import made

from cortexscope.cli import main
from cortexscope.errors import RunExistsError, RunLockedError, StoreError
from cortexscope.remote import RemoteFolder
from cortexscope.store import RemoteRun, Run, RunWriter, upload_run


def test_the_manifest_is_put_last_and_is_gone_first(
    run: Run, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ...]] = []
    put_files, remove = RemoteFolder.put, RemoteFolder.remove

    def putting(self: RemoteFolder, files: Any) -> Iterator[list[str]]:
        for own in put_files(self, files):
            seen.append(("put", *own))
            yield own

    def removing(self: RemoteFolder, own: Any) -> None:
        seen.append(("remove", *own))
        remove(self, own)

    monkeypatch.setattr(RemoteFolder, "put", putting)
    monkeypatch.setattr(RemoteFolder, "remove", removing)
    upload_run(run.path, base)
    assert [own for own in seen if own[0] == "put"][-1] == ("put", "manifest.json")
    other = sound_run(tmp_path / "other")
    with pytest.raises(RunExistsError, match="holds another run"):
        upload_run(other.path, base)
    seen.clear()
    upload_run(other.path, base, force=True)
    files = [own for own in seen if own[1:] != (".lock",)]
    assert files[0] == ("remove", "manifest.json")
    assert files[-2:] != files[:2]
    assert Run(base).measurements_table().equals(other.measurements_table())


def test_a_second_writer_is_refused_by_name(run: Run, base: str) -> None:
    upload_run(run.path, base)
    with RemoteRun(base).written(resume=True, force=False):
        assert ".lock" in names(base)
        with (
            pytest.raises(RunLockedError, match="this very process"),
            RemoteRun(base).written(resume=True, force=False),
        ):
            pass
    assert ".lock" not in names(base)
    put(base, ".lock", json.dumps({"pid": 1, "host": "elsewhere", "since": "now"}).encode())
    said = rf"process 1 on elsewhere since now; .* `cortexscope doctor {base} --unlock`"
    with pytest.raises(RunLockedError, match=said):
        upload_run(run.path, base)
    put(base, ".lock", b"\xff{")
    with pytest.raises(RunLockedError, match="by another process"):
        upload_run(run.path, base)


def test_what_a_killed_process_of_this_machine_left_keeps_nobody_out(
    run: Run, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cortexscope.store._remote_lock.socket.gethostname", lambda: "here")
    # No process has the highest number.
    put(base, ".lock", json.dumps({"pid": 2**22, "host": "here", "since": "now"}).encode())
    upload_run(run.path, base)
    assert Run(base).manifest == run.manifest


def test_who_was_killed_elsewhere_is_followed_by_what_the_message_says(
    run: Run, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put(base, ".lock", json.dumps({"pid": 1, "host": "elsewhere", "since": "now"}).encode())
    assert main(["upload", str(run.path), base]) == 2
    advice = re.search(r"`cortexscope (.*?)`", capsys.readouterr().err)
    assert advice is not None
    assert main(advice[1].split()) == 0
    assert capsys.readouterr().out == (
        f"{base}: unlocked; process 1 on elsewhere since now was writing.\n"
    )
    assert ".lock" not in names(base)
    assert main(["upload", str(run.path), base]) == 0
    assert Run(base).manifest == run.manifest
    capsys.readouterr()
    assert main(["doctor", base, "--unlock"]) == 0
    assert capsys.readouterr().out == f"{base}: nobody keeps others out.\n"


def test_only_who_may_be_gone_is_unlocked(
    run: Run, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with RemoteRun(base).written(resume=True, force=False):
        assert main(["doctor", base, "--unlock"]) == 2
        assert "which has not ended" in capsys.readouterr().err
        assert ".lock" in names(base)
    put(base, ".lock", b"\xff{")
    assert main(["doctor", base, "--unlock", "--repair"]) == 2
    assert main(["doctor", str(run.path), "--unlock"]) == 2
    assert "whose lock ends with the process" in capsys.readouterr().err
    assert main(["doctor", base, "--unlock"]) == 0
    assert "another process was writing" in capsys.readouterr().out


def test_who_was_taken_for_killed_puts_nothing_over_what_another_writes(
    run: Run, base: str
) -> None:
    other = json.dumps({"pid": 1, "host": "elsewhere", "since": "then"}).encode()
    there = RemoteRun(base, run.path)
    with (
        pytest.raises(
            StoreError, match=rf"by process 1 on elsewhere .*`cortexscope upload {run.path} {base}`"
        ),
        there.written(resume=True, force=False),
    ):
        put(base, ".lock", other)
    # Neither a file of the run, nor the other's lock taken away.
    assert names(base) == {".lock"}


def test_a_run_elsewhere_goes_on_from_what_was_uploaded(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made(tmp_path / "whole")
    half = made(tmp_path / "half", finished=False, written=2)
    upload_run(half.path, base)
    monkeypatch.setenv("CORTEXSCOPE_CACHE", str(tmp_path / "another machine"))
    with (
        pytest.raises(RunExistsError, match="--resume"),
        RemoteRun(base).written(resume=False, force=False),
    ):
        pass
    with RemoteRun(base).written(resume=True, force=False) as path:
        assert len(Run(path).measurement_files()) == 4
        manifest = Run(path).manifest
        with RunWriter(path, manifest, Run(path).prompt_records(), resume=True) as writer:
            for file in whole.measurement_files():
                label, number = file.name[3:-14], int(file.stem[-5:])
                if number == 2:
                    table = whole.measurements_table(models=[label]).filter(
                        [name in _prompts(file) for name in _ids(whole, label)]
                    )
                    writer.write_shard(label, number, table)
            writer.finish("2026-05-04T10:13:40+00:00")
    assert Run(base).manifest.status == "complete"
    assert len(Run(base).measurement_files()) == 6


def _ids(run: Run, label: str) -> list[str]:
    ids: list[str] = run.measurements_table(models=[label])["prompt_id"].to_pylist()
    return ids


def _prompts(file: Path) -> frozenset[str]:
    import pyarrow.parquet as pq

    return frozenset(pq.read_table(file, columns=["prompt_id"])["prompt_id"].to_pylist())


def test_an_upload_that_fails_says_what_does_it(
    run: Run, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = fsspec.url_to_fs(base)

    def lost(*_: object, **__: object) -> None:
        raise ConnectionResetError("the line went dead")

    with monkeypatch.context() as patch:
        patch.setattr(store, "put", lost)
        with pytest.raises(StoreError) as told:
            upload_run(run.path, f"{base}/a")
    assert "the line went dead" in str(told.value)
    assert f"`cortexscope upload {run.path} {base}/a` puts it there" in str(told.value)
    assert main(["upload", str(run.path), f"{base}/a"]) == 0
    assert Run(f"{base}/a").measurements_table().equals(run.measurements_table())


def test_results_that_were_not_uploaded_are_never_lost(base: str, tmp_path: Path) -> None:
    run = made(tmp_path / "here")
    upload_run(run.path, base)
    copy = Run(base).path
    (copy / "measurements" / "00-tiny-00000.parquet").write_bytes(b"new")
    with pytest.raises(StoreError, match=r"not uploaded, such as measurements/00-tiny-00000"):
        Run(base)
    remote = RemoteRun(base)
    assert (remote.path / "measurements" / "00-tiny-00000.parquet").read_bytes() == b"new"
