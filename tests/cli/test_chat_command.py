"""`cortexscope run --chat-template` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from chats import chatting_folder

from cortexscope.cli import main
from cortexscope.store import Run


def test_a_run_with_chat_template_and_system_text(
    suite_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = chatting_folder(tmp_path / "model")
    out = tmp_path / "run"
    asked = ["run", "--model", f"m={folder}", "--suite", str(suite_file), "--out", str(out)]
    only = ["--metric", "residual_norm", "--no-report", "--quiet"]
    capsys.readouterr()  # the bars of saving
    assert main([*asked, *only, "--chat-template", "--system", "be one"]) == 0
    assert capsys.readouterr().err == ""
    assert Run(out).manifest.chats["m"].frame == "<s>n be one </s>o {prompt} </s> on"
    assert main([*asked, *only, "--chat-template", "--resume"]) == 2
    assert 'settings.system was "be one" and is null' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--chat-template"], "no model of the run takes one (m: its tokenizer has no chat"),
        (["--system", "be one"], "no chat template to hold it; ask for that too"),
    ],
)
def test_a_base_model_refuses_in_one_sentence(
    options: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = chatting_folder(tmp_path / "model", template=None)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()  # the bars of saving
    assert main(["run", "--model", f"m={folder}", "--quiet", *options]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("Error: ")
    assert captured.err.count("\n") == 1
    assert sentence in captured.err
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
