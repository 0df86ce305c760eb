"""Conditions: what they mean, what is refused, and how a command ends by them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from comparing.conftest import small

from cortexscope.cli import main
from cortexscope.comparing._conditions import Quantity, parsed
from cortexscope.errors import UnknownNameError, UsageError

METRICS = ("residual_norm", "study.max_sparsity")
TASKS = ("counting", "more-naming")
KNOWN = {"kl.upper": 0.03, "kl": 0.01, "drift": 0.5, "same_top.mean": None}


def truth(text: str) -> bool | None:
    condition = parsed(text, metrics=METRICS, tasks=TASKS)

    def value(quantity: Quantity) -> float | None:
        return KNOWN[quantity.name]

    return condition.holds(value)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("kl.upper > 0.02", True),
        ("kl.upper > 0.03", False),
        ("kl.upper >= 0.03 and not drift < 0.5", True),
        ("0.001 < kl < 0.02", True),
        ("0.02 < kl.upper < 0.025", False),
        ("-1 < kl", True),
        ("(kl > 1 or drift > 0.1) and kl.upper <= 0.03", True),
        ("kl < kl.upper", True),
        ("same_top.mean < 0.9", None),
        ("not same_top.mean < 0.9", None),
        ("same_top.mean < 0.9 or kl > 0", True),
        ("same_top.mean < 0.9 or kl > 1", None),
        ("same_top.mean < 0.9 and kl > 1", False),
        ("same_top.mean < 0.9 and kl > 0", None),
        ("0 < same_top.mean < 0.9", None),
    ],
)
def test_a_condition_means_what_it_says(text: str, holds: bool | None) -> None:
    assert truth(text) is holds


@pytest.mark.parametrize(
    ("text", "table", "column", "task"),
    [
        ("kl > 0", "compared_predictions", "kl", None),
        ("kl.q99[counting] > 0", "compared_predictions", "kl_q99", "counting"),
        ("kl['more-naming'] > 0", "compared_predictions", "kl", "more-naming"),
        ("bits_per_byte.diff.upper > 0", "compared_predictions", "bits_difference_high", None),
        ("delta_p.rms > 0", "compared_predictions", "delta_p_rms", None),
        ("cka < 1", "compared_states", "cka", None),
        ("residual_norm.diff.p < 0.05", "compared_metrics", "p_bh", None),
        ("study.max_sparsity.diff > 0", "compared_metrics", "difference", None),
    ],
)
def test_names_stand_for_columns(text: str, table: str, column: str, task: str | None) -> None:
    (found,) = parsed(text, metrics=METRICS, tasks=TASKS).quantities
    assert (found.place.table, found.place.column, found.task) == (table, column, task)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kll > 0", "no quantity 'kll' .* did you mean 'kl'?"),
        ("kl.uper > 0", "no 'uper' .* did you mean 'upper'?"),
        ("kl[countin] > 0", "no task 'countin' .* did you mean 'counting'?"),
        ("residual_nrm.diff > 0", "did you mean 'residual_norm'?"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest(text: str, said: str) -> None:
    with pytest.raises(UnknownNameError, match=said):
        parsed(text, metrics=METRICS, tasks=TASKS)


@pytest.mark.parametrize(
    "text",
    [
        "", "kl", "1 > 0", "kl >", "kl == 0", "kl.upper + 1 > 0", "f(kl) > 0", "kl > 'a'",
        "__import__('os').system('x')", "kl > (lambda: 0)()", "kl > True", "kl if kl > 0 else kl",
        "drift[counting] > 0", "[kl] > 0", "kl > 0; kl", "(" * 300 + "kl > 0",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parsed(text, metrics=METRICS, tasks=TASKS)


@pytest.mark.slow
def test_the_command_ends_as_the_conditions_say(
    tmp_path: Path, suite_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = small(tmp_path / "a"), small(tmp_path / "b", seed=4)
    junit, summary = tmp_path / "out" / "junit.xml", tmp_path / "out" / "summary.md"

    def ended(*more: str) -> int:
        return main(
            [
                *("compare", f"a={first}", f"b={second}", "--suite", str(suite_file)),
                *("--metric", "residual_norm", "--out", str(tmp_path / "run"), "--resume"),
                *("--no-selfcheck", "--no-report", "--quiet", *more),
            ]
        )

    assert ended("--fail-if", "kl.uper > 0.02") == 2
    assert "did you mean 'upper'?" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    files = ("--junit", str(junit), "--summary", str(summary))
    assert ended("--fail-if", "kl.upper > 100", *files) == 0
    assert ElementTree.parse(junit).getroot().attrib["failures"] == "0"
    assert ended("--fail-if", "kl.upper > 0", "--fail-if", "kl < 0", *files) == 3
    assert "'kl.upper > 0' holds of b: kl.upper is " in capsys.readouterr().err
    root = ElementTree.parse(junit).getroot()
    assert (root.attrib["tests"], root.attrib["failures"]) == ("2", "1")
    # The states of other weights are not compared one by one, and what is unknown is no pass.
    assert ended("--fail-if", "drift > 100") == 3
    assert "cannot be decided of b: drift is undefined" in capsys.readouterr().err
    text = summary.read_text(encoding="utf-8")
    assert text.count("# cortexscope compare") == 2
    assert r"Failed: 'kl.upper \> 0' holds of b" in text
    assert "| Mean KL |" in text


@pytest.mark.slow
def test_a_shell_script_sees_the_exit_code(tmp_path: Path, suite_file: Path) -> None:
    first = small(tmp_path / "a")
    script = tmp_path / "gate.sh"
    line = (
        f"{sys.executable} -m cortexscope compare a={first} again={first} --suite {suite_file} "
        f"--metric residual_norm --out {tmp_path / 'run'} --resume --no-report --quiet --fail-if"
    )
    script.write_text(
        f"{line} 'kl.upper > 0.02 or bits_per_byte.diff.upper > 0.01' && echo passed\n"
        f"{line} 'kl.upper >= 0' || echo failed $?\n"
        f"{line} 'kl.uper > 0' || echo failed $?\n"
    )
    done = subprocess.run(["sh", script], capture_output=True, text=True, check=False)
    assert done.stdout == "passed\nfailed 3\nfailed 2\n"
