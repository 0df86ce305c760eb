"""A run at a URL is read as the folder it is a copy of, and written so that none sees half."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from store.sound import sound_run
from store.test_completeness import OTHER, TINY, made

from cortexscope.cli import main
from cortexscope.errors import CorruptRunError, RunExistsError, RunLockedError, StoreError
from cortexscope.profiles import open_profile
from cortexscope.remote import RemoteFolder
from cortexscope.store import RemoteRun, Run, RunWriter, upload_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return made(tmp_path / "here")


def names(url: str) -> set[str]:
    return set(RemoteFolder(url).entries())


def content(url: str, name: str) -> bytes:
    store, root = fsspec.url_to_fs(url)
    found: bytes = store.cat_file(f"{root}/{name}")
    return found


def put(url: str, name: str, data: bytes) -> None:
    store, root = fsspec.url_to_fs(url)
    store.pipe_file(f"{root}/{name}", data)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of files that are fetched from now on."""
    fetched: list[str] = []
    fetch = RemoteFolder.fetch

    def counting(self: RemoteFolder, files: Any, folder: Path) -> Iterator[list[str]]:
        for own in fetch(self, files, folder):
            fetched.extend(own)
            yield own

    monkeypatch.setattr(RemoteFolder, "fetch", counting)
    return fetched


def test_what_is_read_is_what_was_written(run: Run, base: str) -> None:
    upload_run(run.path, f"{base}/a")
    for name in names(f"{base}/a"):
        assert content(f"{base}/a", name) == (run.path / name).read_bytes()
    read = Run(f"{base}/a")
    assert read.path.name == "a"
    assert read.manifest == run.manifest
    assert read.measurements_table().equals(run.measurements_table())
    assert open_profile(f"{base}/a").table(1).equals(open_profile(run.path).table(1))


def test_only_what_changed_is_fetched_again(
    run: Run, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_run(run.path, base)
    fetched = counted(monkeypatch)
    Run(base)
    assert set(fetched) == names(base)
    assert fetched[-1] == "manifest.json"
    fetched.clear()
    Run(base)
    assert not fetched
    put(base, "prompts.parquet", content(base, "prompts.parquet"))
    Run(base)
    assert set(fetched) <= {"prompts.parquet"}


def test_what_is_gone_there_is_gone_here(run: Run, base: str) -> None:
    upload_run(run.path, base)
    file = Run(base).measurement_files()[0]
    store, root = fsspec.url_to_fs(base)
    store.rm_file(f"{root}/measurements/{file.name}")
    with pytest.raises(CorruptRunError, match="lacks 1 of its 6 files"):
        Run(base).measurements_table()


def test_a_changed_bit_is_found_by_the_hash_that_the_run_noted(
    tmp_path: Path, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    upload_run(sound_run(tmp_path / "sound").path, base)
    (name,) = [name for name in names(base) if name.startswith("measurements/")]
    data = bytearray(content(base, name))
    data[40] ^= 1
    put(base, name, bytes(data))
    with pytest.raises(CorruptRunError, match="SHA-256 is not the one that was noted"):
        Run(base)
    # The doctor is not kept from saying which.
    assert main(["doctor", base]) == 1
    assert "SHA-256" in capsys.readouterr().out


def test_names_that_lead_out_of_the_folder_are_never_written(
    run: Run, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_run(run.path, base)
    honest = RemoteFolder.entries
    store, root = fsspec.url_to_fs(base)
    find = type(store).find

    def hostile(self: Any, path: str, *args: Any, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = find(self, path, *args, **options)
        if not options.get("detail"):
            return found
        facts = next(iter(found.values()))
        evil = ("../../evil.parquet", "measurements/../../evil.parquet", "measurements\\evil")
        return found | {f"{root}/{name}": facts for name in evil}

    monkeypatch.setattr(type(store), "find", hostile)
    assert not any("evil" in name for name in honest(RemoteFolder(base)))
    Run(base)
    assert not list(tmp_path.rglob("*evil*"))


def test_files_that_are_no_part_of_a_run_are_not_fetched(run: Run, base: str) -> None:
    upload_run(run.path, base)
    put(base, "huge.bin", b"0" * 100)
    put(base, "other/manifest.json", b"{}")
    put(base, "report.html", b"<script>")
    path = Run(base).path
    assert not {"huge.bin", "other", "report.html"} & {file.name for file in path.iterdir()}


def test_what_has_no_room_is_not_begun(
    run: Run, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_run(run.path, base)
    usage = shutil.disk_usage(run.path)._replace(free=1000)
    monkeypatch.setattr("cortexscope.store._remote_copy.shutil.disk_usage", lambda _: usage)
    with pytest.raises(StoreError, match="has room for 1,000"):
        Run(base)


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
    with pytest.raises(RunLockedError, match=r"process 1 on elsewhere since now; .* remove "):
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


@pytest.mark.slow
def test_every_verb_that_reads_takes_a_url(
    run: Run, base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    url = f"{base}/deep/a"
    upload_run(run.path, url)
    few = ["--metric", "residual_norm", "--permutations", "100", "--resamples", "100"]
    for given in (["stats", *few], ["tables", "--only", "1"], ["export"], ["doctor"]):
        said = []
        for place in (url, str(run.path)):
            code = main([given[0], place, *given[1:]])
            said.append((code, capsys.readouterr().out.replace(place, "RUN")))
        assert said[0][0] == said[1][0]
        if given[0] == "tables":
            assert said[0] == said[1]
    assert (tmp_path / "a-parquet").is_dir()
    assert main(["report", url, "--out", str(tmp_path / "shown")]) == 0
    assert (tmp_path / "shown" / "report.html").is_file()
    assert main(["doctor", url, "--repair"]) == 2
    assert "is a copy of one at a URL" in capsys.readouterr().err


def test_runs_are_listed_as_if_they_were_here(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "runs"
    made(root / "whole")
    made(root / "deep" / "half", finished=False, written=2)
    made(root / "empty").measurement_files()[0].write_bytes(b"")
    torn = made(root / "torn").measurement_files()[0]
    torn.write_bytes(torn.read_bytes()[:-20])
    for path in (root / "whole", root / "deep" / "half", root / "empty", root / "torn"):
        upload_run(path, f"{base}/{path.relative_to(root)}")
    put(base, "notes/huge.parquet", b"0")

    def told(place: str) -> list[dict[str, Any]]:
        assert main(["ls", place, "--json"]) == 0
        rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["runs"]
        return [row | {"path": row["path"].removeprefix(place)} for row in rows]

    assert told(base) == told(str(root))
    assert main(["ls", base]) == 0
    assert "unfinished (4 of 6 shards)" in capsys.readouterr().out
    assert main(["ls", f"{base}/none"]) == 2
    assert "There is nothing at" in capsys.readouterr().err


def test_runs_at_urls_are_merged_into_one_at_a_url(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = sound_run(tmp_path / "one", TINY), sound_run(tmp_path / "other", OTHER)
    upload_run(one.path, f"{base}/one")
    out = f"{base}/both"
    assert main(["merge", f"{base}/one", str(other.path), "--out", out]) == 0
    assert f"Run: {out}" in capsys.readouterr().out
    assert main(["merge", str(one.path), str(other.path), "--out", str(tmp_path / "both")]) == 0
    merged, local = Run(out), Run(tmp_path / "both")
    assert merged.measurements_table().equals(local.measurements_table())
    assert main(["merge", f"{base}/one", str(other.path), "--out", out]) == 2
