"""The brain view: a metaphor that says so, with the numbers of the analysis."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from report.made_runs import REGIONAL, SMALL, FakeModel, make_run, regional_run

from cortexscope.analysis import REGIONS, Analysis
from cortexscope.document import Brain, Figure, Fold, Table
from cortexscope.document.drawing._look import CIVIDIS, ink_on
from cortexscope.report import build_figures, build_report, write_html
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.figures.brain import BrainView
from cortexscope.store import Measurements, Run

_HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return regional_run(
        tmp_path_factory.mktemp("brain") / "run", tasks=("counting", "naming", _HOSTILE)
    )


@pytest.fixture(scope="module")
def section(run: Run) -> Fold:
    """What the section folds below its words."""
    own = next(own for own in build_report(run).sections if own.key == "brain")
    (fold,) = (block for block in own.blocks if isinstance(block, Fold))
    return fold


def row_of(table: pd.DataFrame, form: str, task: str, region: str) -> dict[Any, Any]:
    """Return the row of a region, task and form."""
    named = (table["form"] == form) & (table["task"] == task) & (table["region"] == region)
    (row,) = table[named].to_dict("records")
    return row


def drawn(figure: Figure) -> list[Brain]:
    return [panel for panel in figure.panels if isinstance(panel, Brain)]


def test_a_panel_a_task_has_the_numbers_of_the_analysis(run: Run) -> None:
    (figure,) = build_figures(run, only=["brain"])
    table = Analysis(run).table("regions")
    panels = drawn(figure)
    assert len(panels) == 3
    for panel, task in zip(panels, ("counting", "naming", _HOSTILE), strict=True):
        assert [area.key for area in panel.areas] == [region.key for region in REGIONS]
        for area in panel.areas:
            row = row_of(table, "raw", task, area.key)
            assert (area.value, area.low, area.high, area.shade, area.n) == pytest.approx(
                tuple(row[name] for name in ("mean", "low", "high", "z", "n"))
            )
        assert panel.reach >= max(abs(area.shade) for area in panel.areas)
    assert figure.steps
    assert figure.caption.startswith("A metaphor: no part of a language model is a brain area")
    assert "n = 12 prompts a task" in figure.caption
    strongest = row_of(table, "raw", "counting", "prefrontal")
    assert "counting in the prefrontal cortex: mlp's share of the stream of layer 6 is " in (
        figure.finding.casefold()
    )
    assert f"{strongest['mean']:.3g} [{strongest['low']:.3g}, {strongest['high']:.3g}]" in (
        figure.finding
    )


def test_options_choose_tasks_and_the_form(run: Run) -> None:
    frames, labels = RunFrames(run), Labels(run.manifest.metrics)
    figure = BrainView(tasks=("naming",), form="adjusted")(frames, labels)
    (panel,) = drawn(figure)
    assert panel.title == "naming"
    table = Analysis(run).table("regions")
    own = table[(table["form"] == "adjusted") & (table["task"] == "naming")]
    np.testing.assert_allclose([area.value for area in panel.areas], own["mean"])
    assert "at equal lengths" in figure.caption


def test_each_model_is_drawn_after_the_other(tmp_path: Path) -> None:
    runs = [
        regional_run(tmp_path / own.label, model=own, tasks=("counting", "naming"))
        for own in (SMALL, FakeModel(layers=4, heads=2))
    ]
    measured = Measurements.of(*runs)
    frames, labels = RunFrames(measured), Labels(measured.specs)
    figure = BrainView()(frames, labels)
    assert [panel.title for panel in figure.panels] == [
        f"{own}, {task}"
        for own in ("all-MiniLM-L6-v2", "SmolLM2-135M")
        for task in ("counting", "naming")
    ]
    table = frames.analysis.table("regions")
    for panel, (model, task) in zip(
        drawn(figure), product(measured.labels, ("counting", "naming")), strict=True
    ):
        own = table[(table["model"] == model) & (table["form"] == "raw") & (table["task"] == task)]
        np.testing.assert_allclose([area.value for area in panel.areas], own["mean"])
    alone = BrainView(model="SmolLM2-135M")(frames, labels)
    assert [panel.title for panel in alone.panels] == ["counting", "naming"]
    few = BrainView(most=3)(frames, labels)
    assert len(few.panels) == 2
    assert "1 model more: see stats/regions.csv." in few.notes


def test_names_are_readable_on_every_colour() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    lights = [luminance(colour) for colour in CIVIDIS]
    assert lights == sorted(lights)
    for colour, light in zip(CIVIDIS, lights, strict=True):
        ends = sorted([light, luminance(ink_on(colour))])
        assert (ends[1] + 0.05) / (ends[0] + 0.05) >= 4.5


def test_the_section_declares_the_metaphor_and_defines_every_name(section: Fold) -> None:
    tables = {block.key: block for block in section.blocks if isinstance(block, Table)}
    assert tables["brain_regions"].frame["Metric"].tolist() == [r.metric for r in REGIONS]
    assert len(tables["brain_hubs"].frame) == len(REGIONS)
    (figure,) = (block for block in section.blocks if isinstance(block, Figure))
    assert figure.key == "brain"
    (fold,) = (block for block in section.blocks if isinstance(block, Fold))
    raw, adjusted = (block for block in fold.blocks if isinstance(block, Table))
    assert raw.frame.shape == adjusted.frame.shape == (3, 12)


def test_the_figure_stands_once_and_its_number_follows(run: Run) -> None:
    document = build_report(run)
    numbers = [figure.number for figure in document.figures]
    assert numbers == list(range(1, len(numbers) + 1))
    assert document.figures[-1].key == "brain"


def test_cells_are_the_means_with_their_intervals(run: Run, section: Fold) -> None:
    (fold,) = (block for block in section.blocks if isinstance(block, Fold))
    table = Analysis(run).table("regions")
    for block, form in zip(fold.blocks, ("raw", "adjusted"), strict=True):
        assert isinstance(block, Table)
        frame = block.frame.set_index("Task")
        read = pd.concat(map(pd.read_parquet, (run.path / "measurements").glob("*.parquet")))
        read = read[~read["prompt_id"].str.endswith("-p") & (read["task"] == "naming")]
        lengths = read.drop_duplicates("prompt_id")["n_tokens"]
        assert frame.loc["naming", "1 / length"] == pytest.approx((1 / lengths).mean())
        for region in REGIONS:
            row = row_of(table, form, "naming", region.key)
            expected = f"{row['mean']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"
            assert frame.loc["naming", region.title] == expected


def test_the_studys_attention_weight_stands_beside_them_where_it_was_measured(
    tmp_path: Path,
) -> None:
    run = regional_run(tmp_path / "run", metrics=(*REGIONAL, "study.mean_attention"))
    table = next(own for own in build_report(run).tables if own.key == "brain_profiles_raw")
    frame = table.frame.set_index("Task")
    read = pd.concat(map(pd.read_parquet, (run.path / "measurements").glob("*.parquet")))
    read = read[read["metric"] == "study.mean_attention"]
    read = read[~read["prompt_id"].str.endswith("-p")]
    means = read.groupby(["task", "prompt_id"])["value"].mean().groupby("task").mean()
    for task, value in means.items():
        assert frame.loc[str(task), "Study mean attention weight"] == pytest.approx(value)
    assert any("Study mean attention weight is the same" in note for note in table.notes)


def test_a_run_without_regions_says_what_they_need(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [SMALL], prompts=2, metrics=["residual_norm"])
    assert "brain" not in [figure.key for figure in build_figures(run)]
    own = next(own for own in build_report(run).sections if own.key == "brain")
    assert len(own.blocks) == 1


def test_one_task_has_nothing_to_be_coloured_by(tmp_path: Path) -> None:
    run = regional_run(tmp_path / "run", tasks=("naming",))
    (figure,) = build_figures(run, only=["brain"])
    assert figure.panels == ()
    assert figure.notes == ("Brains compare tasks, and the run has one.",)


@pytest.mark.slow
def test_hostile_names_are_texts_and_steps_are_hidden_without_scripts(run: Run) -> None:
    page = write_html(run).read_text(encoding="utf-8")
    assert _HOSTILE not in page
    assert "<option>&lt;img src=x onerror=alert(1)&gt;</option>" in page
    assert 'data-steps="plot-brain"' in page
    start = page.index('<div class="steps')
    assert page[start : page.index(">", start)].endswith("hidden")
