"""The study's Tables 2 to 6 come out of its Table 1, line by line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from report.made_runs import FakeModel, Row, manifest_of, prompts_of, table_of

from cortexscope.document import Table
from cortexscope.report import build_tables, tables_as
from cortexscope.store import Run, RunWriter

_DATA = Path(__file__).parents[2].parent / "shared" / "seed" / "data"
_STUDY = ("study.final_activation", "study.attention_entropy", "study.max_sparsity")
_SIZES = {"M": 10**6, "B": 10**9}


def _published() -> dict[int, list[str]]:
    """Return the lines of each published table, without blank ones."""
    files = sorted(_DATA.glob("llm_brain_analysis_tables_*.txt"))
    if not files:
        pytest.skip(f"the published tables are not in {_DATA}")
    tables: dict[int, list[str]] = {}
    number = 0
    for line in files[0].read_text(encoding="utf-8").splitlines():
        title = re.match(r"TABLE (\d+): ", line)
        number = int(title[1]) if title else number
        if number and line.strip() and set(line) != {"-"}:
            tables.setdefault(number, []).append(line.rstrip())
    return tables


def _run(lines: list[str], path: Path) -> Run:
    """Return a run of two prompts a cell whose means are the published cells."""
    cells = [line.split() for line in lines[2:]]
    models, tasks = [], list(dict.fromkeys(cell[7] for cell in cells))
    for label, rows in itertools.groupby(cells, key=lambda cell: cell[0]):
        _, name, kind, size, layers, heads, _, *_ = next(rows)
        parameters = round(float(size[:-1]) * _SIZES[size[-1]])
        models.append(FakeModel(label, name, kind, parameters, int(layers), int(heads)))
    prompts = prompts_of(tasks, 2)
    sizes = {cell[0]: int(cell[6]) for cell in cells}
    infos = [
        model.info().model_copy(update={"hidden_size": sizes[model.label]}) for model in models
    ]
    writer = RunWriter(path, manifest_of(infos, prompts, _STUDY), prompts)
    for model in models:
        rows_of_model = [cell for cell in cells if cell[0] == model.label]
        writer.write_shard(model.label, 0, table_of(model.label, list(_rows(rows_of_model))))
    writer.finish("2026-05-04T10:13:40+00:00")
    return Run(path)


def _rows(cells: list[list[str]]) -> Iterator[Row]:
    for cell in cells:
        task = cell[7]
        for metric, text in zip(_STUDY, cell[8:11], strict=True):
            # Twice the cell and nothing: their mean is the published number to the last bit.
            for number, factor in ((1, 2.0), (2, 0.0)):
                prompt = f"{task[:4]}-{number:03d}"
                yield task, prompt, 20, metric, None, None, float(text) * factor, None


@pytest.fixture(scope="module")
def published() -> dict[int, list[str]]:
    return _published()


@pytest.fixture(scope="module")
def tables(
    published: dict[int, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[int, Table]:
    run = _run(published[1], tmp_path_factory.mktemp("study") / "run")
    return dict(enumerate(build_tables(run), 1))


def _ours(table: Table) -> list[str]:
    lines = tables_as([table], "text").splitlines()
    return [line for line in lines if line.strip() and set(line) != {"-"}]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_published_line_begins_ours(
    number: int, published: dict[int, list[str]], tables: dict[int, Table]
) -> None:
    ours = _ours(tables[number])
    for theirs, line in zip(published[number], ours, strict=False):
        assert line.startswith(theirs)
    assert len(published[number]) < len(ours)


def test_parameter_scale_has_the_published_lines_in_the_order_of_size(
    published: dict[int, list[str]], tables: dict[int, Table]
) -> None:
    width = len(published[5][1])
    ours = [line[:width] for line in _ours(tables[5])]
    assert sorted(ours[1:8]) == sorted(published[5][1:])
    assert list(tables[5].frame["Parameters"]) == [
        "109.5M",
        "124.4M",
        "464.0M",
        "559.2M",
        "1.4B",
        "3.6B",
    ]


def test_top_lists_are_the_published_ones(
    published: dict[int, list[str]], tables: dict[int, Table]
) -> None:
    ours = _ours(tables[6])
    assert len(published[6]) == 1 + 3 * 12
    for theirs, line in zip(published[6], ours, strict=False):
        assert line.startswith(theirs)


def test_metrics_that_were_not_measured_are_undefined_and_named(tables: dict[int, Table]) -> None:
    assert tables[2].frame["Attention_Sink_Mass"].isna().all()
    assert any("Attention_Sink_Mass" in note for note in tables[2].notes)
