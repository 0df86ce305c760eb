"""A run at a URL is read as the folder it is a copy of, and written so that none sees half."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from buckets import content, names, put
from store.sound import sound_run
from store.test_completeness import OTHER, TINY, made

from cortexscope.cli import main
from cortexscope.errors import CorruptRunError, StoreError
from cortexscope.profiles import open_profile
from cortexscope.remote import RemoteFolder
from cortexscope.store import Run, upload_run


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


@pytest.mark.slow
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
