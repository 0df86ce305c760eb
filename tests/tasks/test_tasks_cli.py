"""`cortexscope tasks` prints suites, and exits as promised."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chats import chatting_folder
from typer.testing import CliRunner

from cortexscope.cli.tasks import app
from cortexscope.errors import CortexscopeError, SuiteError, UnknownNameError, UsageError
from cortexscope.tasks import ReadOptions, load_suite, read_suites

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


ROWS = (
    "question,answer,kind,right\n"
    'Is it warm?,Yes.,"short, open",true\n'
    "Why is it warm today?,The sun.,long,false\n"
    "Why is it warm today,The sun.,long,false\n"
    ",Nothing.,long,false\n"
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "mine.csv"
    file.write_text(ROWS, encoding="utf-8")
    return file


def test_preview_shows_what_would_be_read_and_what_is_left_out(table: Path) -> None:
    code, out = run("preview", str(table), "--prompts", "1")
    assert code == 0
    assert "read as questions with answers, as GSM8K (text = question, target = answer; kept" in out
    assert "1 of 4 rows are left out, the first as" in out
    assert "mine: 3 prompts in 1 task" in out
    assert (
        "mine-2  (mine, mine.csv)\nIs it warm?\ntarget: Yes.\nkind: short, open, right: True" in out
    )
    assert re.search(r"^long +2 +5 +5 +5$", out, re.MULTILINE)
    assert "mine-4 is like mine-3 (similarity 1.00 of 1)" in out


def test_preview_shows_a_models_tokens_and_what_it_cannot_read(tmp_path: Path) -> None:
    folder = chatting_folder(tmp_path / "model", context=8)
    file = tmp_path / "s.jsonl"
    talk = '{"messages": [{"role": "user", "content": "one two"}]}\n'
    file.write_text(talk + '{"messages": [{"role": "user", "content": "%s"}]}' % ("one " * 9))
    out = run("preview", str(file), "--model", f"m={folder}")[1]
    assert "6 tokens: '<s>' 'o' 'one' 'two' '</s>' 'on'" in out
    assert re.search(r"^too long: s.jsonl \(s-2\) has 13 tokens and m reads at most 8", out, re.M)
    with pytest.raises(UsageError, match="--chat-template is a model's"):
        run("preview", str(file), "--chat-template")


def test_convert_writes_what_was_read(table: Path, tmp_path: Path) -> None:
    options = ["--columns", "right", "--template", r"Q: {question}\nA:", "--skip-bad-rows"]
    code, out = run("convert", str(table), str(tmp_path / "out.yaml"), *options)
    assert code == 0
    before = load_suite(table, columns="right", template="Q: {question}\nA:", skip_bad_rows=True)
    after = load_suite(tmp_path / "out.yaml")
    assert after.hash == before.hash
    assert f"hash {before.hash[:12]}" in out
    assert after.prompts[0].text == "Q: Is it warm?\nA:"
    assert [dict(p.attributes) for p in after.prompts] == [
        {"right": r} for r in (True, False, False, False)
    ]


def test_a_template_may_stand_in_a_file(table: Path, tmp_path: Path) -> None:
    file = tmp_path / "template.txt"
    file.write_text("{question}\\n\n", encoding="utf-8")
    out = run("show", "mine-2", "--suite", str(table), "--template", f"@{file}", "--skip-bad-rows")[
        1
    ]
    assert "Is it warm?\\n\n" in out
    with pytest.raises(UsageError, match="cannot be read"):
        run("list", "--suite", str(table), "--template", "@nowhere")


def test_several_suites_are_read_as_one(table: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("One.\nTwo.\n", encoding="utf-8")
    asked = [str(table), str(other), "cognitive-study"]
    suite = read_suites(asked, ReadOptions(skip_bad_rows=True))
    assert (suite.name, len(suite.prompts), len(suite.tasks)) == (
        "mine+other+cognitive-study",
        29,
        14,
    )
    few = read_suites(asked, ReadOptions(skip_bad_rows=True, limit=5))
    assert len(few.prompts) == 5
    with pytest.raises(SuiteError, match="Two prompts have the id 'other-1'"):
        read_suites([str(other), str(other)], ReadOptions())
