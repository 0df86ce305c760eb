"""Runs of single models that are merged are the run of all of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from engine.test_repair import LENGTHS, contents, cut
from generated import folder_of, small_request, suite_of

from cortexscope.cli import main
from cortexscope.engine import Generation, RunRequest, run
from cortexscope.store import Run, examine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> RunRequest:
    """Two models measured at once, and each alone in folders `a` and `b` beside."""
    base = tmp_path_factory.mktemp("merge")
    folders = {name: folder_of("llama", base / name) for name in ("llama", "other")}
    suite_of(folders["llama"], lengths=LENGTHS)
    request = small_request(
        folders["llama"],
        base / "both",
        Generation(tokens=2),
        models=(f"a={folders['llama']}", f"b={folders['other']}"),
        metrics=("residual_norm", "surprisal", "cka"),
    )
    run(request)
    for model in request.models:
        run(replace(request, models=(model,), out=base / model[0]))
    return request


def test_merged_runs_are_as_if_measured_at_once(asked: RunRequest, tmp_path: Path) -> None:
    base, out = asked.out.parent, tmp_path / "merged"
    assert main(["merge", str(base / "a"), str(base / "b"), "--out", str(out)]) == 0
    assert contents(out) == contents(asked.out)
    assert examine(out) == []
    free = {"created", "finished", "timings", "memory"}
    merged, at_once = (Run(path).manifest.model_dump(exclude=free) for path in (out, asked.out))
    assert merged == at_once
    run(replace(asked, out=out, resume=True))
    assert contents(out) == contents(asked.out)


def test_what_does_not_belong_together_is_refused(
    asked: RunRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, out = asked.out.parent, tmp_path / "merged"
    _, other = asked.models
    run(replace(asked, models=(other,), metrics=("residual_norm",), out=tmp_path / "fewer"))
    shutil.copytree(base / "b", tmp_path / "torn")
    cut(tmp_path / "torn" / "measurements" / "00-b-00000.parquet")
    shutil.copytree(base / "b", tmp_path / "others")
    manifest = tmp_path / "others" / "manifest.json"
    known = Run(base / "b").manifest.suite.hash
    manifest.write_text(manifest.read_text().replace(known, "0" * 64))
    said = {
        base / "a": (2, "both have a model 'a'"),
        tmp_path / "fewer": (2, "were not measured alike (metrics."),
        tmp_path / "torn": (1, "00-b-00000.parquet is damaged"),
        tmp_path / "others": (2, "are of different prompts"),
    }
    for second, (code, sentence) in said.items():
        assert main(["merge", str(base / "a"), str(second), "--out", str(out)]) == code
        assert sentence in capsys.readouterr().err
        assert not out.exists()
    assert main(["merge", str(base / "a"), str(base / "b"), "--out", str(base)]) == 2
