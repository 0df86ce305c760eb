"""`cortexscope tasks` prints suites, and exits as promised."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cortexscope.cli.tasks import app
from cortexscope.errors import CortexscopeError, SuiteError, UnknownNameError

HEAD = (
    'name: mine\nversion: "1"\ntasks:\n  sums:\n    description: "[b]bold[/b] sums"\n    prompts:\n'
)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, CortexscopeError):
        raise result.exception
    return result.exit_code, result.stdout


def test_list_has_one_whole_line_a_task_and_no_colour_codes() -> None:
    code, out = run("list")
    assert code == 0
    assert "\x1b" not in out
    (line,) = [line for line in out.splitlines() if line.startswith("mathematical_reasoning")]
    assert line.split()[1:4] == ["42", "4", "26"]
    assert line.rstrip().endswith("most of several steps")
    assert "12 tasks, 504 prompts" in out


def test_list_prints_brackets_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(HEAD + "      - {id: a, text: What is 1 plus 1?}\n", encoding="utf-8")
    assert "[b]bold[/b] sums" in run("list", "--suite", str(file))[1]


def test_show_prints_a_task_or_a_prompt() -> None:
    code, out = run("show", "fact-001")
    assert (code, out.splitlines()[1:]) == (0, ["Who painted Guernica?"])
    assert "(factual_questions, factual_questions.yaml:" in out
    assert "fact-014" in run("show", "factual_questions")[1]
    with pytest.raises(UnknownNameError, match="did you mean 'factual_questions'"):
        run("show", "factual_question")


def test_lint_exits_0_with_warnings_and_1_with_errors(tmp_path: Path) -> None:
    assert run("lint", "cognitive") == (
        0,
        "forms: 231 questions, 179 instructions, 94 passages\n"
        "cognitive: 504 prompts in 12 tasks, 0 errors, 0 warnings\n",
    )
    file = tmp_path / "s.yaml"
    file.write_text(HEAD + "      - {id: a, text: What is 1 plus 1?}\n", encoding="utf-8")
    code, out = run("lint", str(file))
    assert code == 0
    assert out.startswith("warning: sums: the task has 1 prompt")
    with file.open("a", encoding="utf-8") as stream:
        stream.write("      - {id: b, text: what is 1 plus 1}\n")
    code, out = run("lint", str(file))
    assert code == 1
    assert out.startswith("error: b (s.yaml:8): ")


def test_lint_of_a_wrong_file_is_a_suite_error(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("task,id,text\ns,a,\n", encoding="utf-8")
    with pytest.raises(SuiteError, match="'a' has an empty text"):
        run("lint", str(file))
