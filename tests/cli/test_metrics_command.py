"""`cortexscope metrics` as a user meets it, and the options of `run` that metrics read."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cortexscope.cli import main
from cortexscope.metrics import GROUPS, METRICS, metric_names, metric_specs
from cortexscope.metrics.base.words import bounds, each, needs
from cortexscope.store import Run
from cortexscope.taps import NEEDS


def in_a_terminal(*arguments: str, columns: int) -> list[str]:
    """Return the lines that a terminal of so many columns is given, without colours."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cortexscope", *arguments],
        stdout=follower,
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm"},
    )
    os.close(follower)
    parts = []
    while True:
        try:
            part = os.read(leader, 65536)
        # A terminal whose other side has gone is an error on Linux.
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    os.close(leader)
    assert process.wait() == 0
    text = b"".join(parts).decode().replace("\r", "")
    return re.sub("\x1b\\[[0-9;]*m", "", text).splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_fits_a_terminal_and_cuts_no_name(columns: int) -> None:
    lines = in_a_terminal("metrics", "list", columns=columns)
    assert max(map(len, lines)) <= columns
    first = {line.split()[0] for line in lines if line.strip()}
    assert set(METRICS.names()) <= first
    assert not any("…" in line for line in lines)


def test_the_list_has_groups_units_axes_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "list"]) == 0
    out = capsys.readouterr().out
    for group, rows in GROUPS.items():
        assert (f"\n{group}: " in out) == bool(rows)
    assert re.search(r"\nresidual_norm +hidden-state units +prompt, layer +low *\n", out)
    low = len(metric_names())
    assert f"{len(METRICS.names())} metrics. The {low} of low cost are measured by default" in out


def test_one_group_is_listed_by_its_name_and_by_show(capsys: pytest.CaptureFixture[str]) -> None:
    for asked in (["list", "--group", "experts"], ["show", "experts"]):
        assert main(["metrics", *asked]) == 0
        out = capsys.readouterr().out
        assert "expert_load" in out
        assert "residual_norm" not in out
        assert main(["metrics", *asked, "--json"]) == 0
        assert list(json.loads(capsys.readouterr().out)) == list(GROUPS["experts"])


def test_json_holds_the_spec_and_the_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "show", "attention_entropy", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["unit"] == "nats"
    assert told["axes"] == ["layer", "head"]
    assert told["bounds"] == [0.0, None]
    assert told["explanation"].startswith("The mean over query rows")
    assert main(["metrics", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["attention_entropy"] == told


@pytest.mark.parametrize("name", METRICS.names())
def test_show_says_everything_of_a_metric(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (spec,) = metric_specs([name])
    assert main(["metrics", "show", name]) == 0
    out = capsys.readouterr().out
    for text in (spec.title, spec.definition, spec.unit, spec.source, spec.group, spec.cost):
        assert text in out
    assert {bounds(spec), each(spec), needs(spec)} <= {
        line.partition("  ")[2].strip() for line in out.splitlines()
    }
    assert all(NEEDS[need] in out for need in spec.needs)
    assert ("on a sample of tokens" in out) == spec.sampled
    assert "  Return the" not in out


@pytest.mark.slow
def test_show_wraps_in_a_terminal() -> None:
    lines = in_a_terminal("metrics", "show", "study.max_sparsity", columns=80)
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("source ") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["metrics", "list", "--group", "atention"],
            "There is no group of metrics 'atention'; did",
        ),
        (["metrics", "show", "atention"], "There is no metric 'atention'; did you mean 'attention"),
        (["metrics", "check", "none.py"], "none.py cannot be read (No such file or directory)"),
        (["metrics", "list", "--plugin", "none.py"], "none.py cannot be read"),
        (
            ["run", "--model", "x", "--exact", "--sample-tokens", "9"],
            "--exact measures all tokens and --sample-tokens 9 only some; give one of the two.",
        ),
        (["run", "--model", "x", "--sample-tokens", "0"], "Invalid value for '--sample-tokens'"),
        (["run", "--model", "x", "--window", "0"], "Invalid value for '--window'"),
        (["run", "--model", "x", "--sink-threshold", "0"], "it must be above zero"),
        (["run", "--model", "x", "--plugin", "none.py"], "none.py cannot be read"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    assert told in said


@pytest.mark.slow
def test_a_run_keeps_what_was_asked_of_metrics(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["run", "--model", str(tiny_folder), "--suite", str(suite_file), "--task", "naming"]
    asked += ["--metric", "experts", "--metric", "residual_norm", "--no-report", "--no-selfcheck"]

    def settings(*options: str) -> dict[str, object]:
        out = tmp_path / "-".join(("run", *options)).replace("--", "")
        assert main([*asked, *options, "--out", str(out)]) == 0
        manifest = Run(out).manifest
        assert list(manifest.metrics) == ["residual_norm", *GROUPS["experts"]]
        return {name: manifest.settings[name] for name in ("sample_tokens", "window")} | {
            "sink_threshold": manifest.settings["sink_threshold"]
        }

    assert settings() == {"sample_tokens": 32, "window": 16, "sink_threshold": 0.3}
    assert settings("--exact")["sample_tokens"] is None
    changed = settings("--sample-tokens", "5", "--window", "4", "--sink-threshold", "0.5")
    assert changed == {"sample_tokens": 5, "window": 4, "sink_threshold": 0.5}
    capsys.readouterr()
