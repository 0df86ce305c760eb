from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from report.made_runs import SMALL, make_run
from typer.testing import CliRunner

from cortexscope.cli.figures import figures
from cortexscope.cli.report import report
from cortexscope.cli.tables import tables
from cortexscope.cli.workbooks import workbooks
from cortexscope.errors import StoreError, UsageError
from cortexscope.registry import Registry
from cortexscope.store import Run

_app = typer.Typer()
_app.command()(report)
_app.command()(tables)
_app.command()(figures)


def _said(*arguments: str | Path) -> str:
    result = CliRunner().invoke(_app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture
def run(make: Callable[..., Run]) -> Run:
    return make([SMALL], tasks=["language_tasks"], prompts=1)


@pytest.mark.slow
def test_report_prints_the_path_it_wrote(run: Run) -> None:
    path = Path(_said("report", run.path).strip())
    assert path == run.path / "report.html"
    assert path.is_file()


def test_tables_print_all_or_one(run: Run) -> None:
    assert _said("tables", run.path).count("TABLE ") == 8
    one = _said("tables", run.path, "--only", "3")
    assert one.startswith("TABLE 3: CATEGORY PERFORMANCE ACROSS MODELS\n")
    sheet = _said("tables", run.path, "--format", "csv", "--only", "models")
    assert sheet.splitlines()[0].startswith("Model,Architecture,Parameters,Final_Activation")
    assert not (run.path / "tables").exists()


def test_tables_write_what_cannot_be_printed(run: Run) -> None:
    assert len(_said("tables", run.path, "--format", "csv").splitlines()) == 8
    (path,) = _said("tables", run.path, "--format", "xlsx").splitlines()
    assert Path(path).is_file()


@pytest.mark.slow
def test_figures_are_written_in_the_format_asked_for(run: Run) -> None:
    paths = [Path(line) for line in _said("figures", run.path, "--format", "pdf").splitlines()]
    assert [path.name for path in paths] == [
        *("task_map.pdf", "length.pdf", "depth.pdf", "heads.pdf", "prompts.pdf"),
        "depth-other.pdf",
    ]
    assert all(path.read_bytes().startswith(b"%PDF") for path in paths)


def test_only_what_is_named_is_made(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    load = Registry.load

    def noted(self: Registry, name: str) -> object:
        made.append(name)
        return load(self, name)

    monkeypatch.setattr(Registry, "load", noted)
    both = _said("tables", run.path, "--only", "scale", "--only", "1")
    assert [line[:8] for line in both.splitlines() if line.startswith("TABLE")] == [
        *("TABLE 1:", "TABLE 5:")
    ]
    assert made == ["complete", "scale", "text"]
    (path,) = _said("figures", run.path, "--only", "depth-other").splitlines()
    assert Path(path).name == "depth-other.png"
    assert made == ["complete", "scale", "text"]


def test_a_misspelt_name_is_one_sentence(run: Run) -> None:
    with pytest.raises(UsageError, match="no table 'metrcs'; did you mean 'metrics'"):
        tables([run.path], only=["metrcs"])
    with pytest.raises(UsageError, match="no figure 'dept'; did you mean 'depth'"):
        figures([run.path], only=["dept"])
    with pytest.raises(UsageError, match="nothing that the figure 'experts' shows"):
        figures([run.path], only=["experts"])


def test_wrong_use_is_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no table 9; choose one from 1 to 8"):
        tables([run.path], only=["9"])
    with pytest.raises(UsageError, match="always holds all tables"):
        tables([run.path], form="xlsx", only=["1"])
    for command in (tables, figures, workbooks, report):
        with pytest.raises(StoreError, match="There is no run in"):
            command([tmp_path])
    both = [run.path, make_run(tmp_path / "other", [SMALL], prompts=1).path]
    for command in (figures, workbooks, report):
        with pytest.raises(UsageError, match="name one with --out"):
            command(both)
    with pytest.raises(UsageError, match="name one with --out"):
        tables(both, form="xlsx")
