"""The report shows columns of the user's own: groups, effects, slopes, and each prompt's values."""

from __future__ import annotations

from pathlib import Path

import pytest
from analysis.planted import LENGTH, MODELS, TASK, run_with_columns

from cortexscope.analysis import STANDARDISED, Analysis
from cortexscope.document import Chooser, Document, Pages, Prose, Section, Table, render
from cortexscope.report import build_report
from cortexscope.report._labels import Labels
from cortexscope.store import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_with_columns(tmp_path_factory.mktemp("columns") / "run", count=30)


@pytest.fixture(scope="module")
def document(run: Run) -> Document:
    return build_report(run)


def section(document: Document, title: str) -> Section:
    (whole,) = (own for own in document.sections if own.key == "columns")
    (found,) = (own for own in whole.blocks if isinstance(own, Section) and own.title == title)
    return found


def tables(own: Section) -> list[Table]:
    return [block for block in own.blocks if isinstance(block, Table)]


def words(own: Section) -> str:
    return " ".join(
        str(text) for block in own.blocks if isinstance(block, Prose) for text in block.paragraphs
    )


@pytest.mark.slow
def test_a_label_has_its_groups_and_effects(run: Run, document: Document) -> None:
    groups, effects = tables(section(document, "shown"))
    prompts = run.prompts()
    prompts = prompts[prompts["control"].isna()].set_index("prompt_id")
    lengths = run.measurements(metrics=[LENGTH], models=[MODELS[0].label])
    shown = lengths["prompt_id"].map(prompts["attributes.shown"]).astype(bool)
    rows = groups.parts[0].frame.set_index("Group")
    for name, own in (("true", lengths[shown]), ("false", lengths[~shown])):
        assert rows["Prompts"][name] == len(own)
        assert rows["Mean tokens"][name] == pytest.approx(own["n_tokens"].mean())
    table = (
        Analysis(run, by="shown").table("effects").set_index(["metric", "factor", "scope", "form"])
    )
    title = Labels(run.manifest.metrics).title(TASK)
    frame = effects.parts[0].frame
    row = frame[(frame["Metric"] == title) & (frame["Model"] == STANDARDISED)].iloc[0]
    for column, form in (("Raw", "raw"), ("Adjusted", "adjusted"), ("Matched", "matched")):
        assert row[column] == table["omega_squared"][TASK, "task", STANDARDISED, form]
        assert row[f"P_{form}"] == table["p"][TASK, "task", STANDARDISED, form]
    assert f"{title}: 'shown' shows beyond length" in words(section(document, "shown"))


def test_the_answer_says_which_columns_show_and_which_only_follow_length(
    document: Document,
) -> None:
    (answer,) = (own for own in document.sections if own.key == "answer")
    said = words(answer)
    assert "'shown' shows beyond length in 1 of 2 metrics" in said
    assert "'size' does not show clearly beyond length" in said
    findings = [
        paragraph
        for block in answer.blocks
        if isinstance(block, Prose) and block.form == "list"
        for paragraph in block.paragraphs
    ]
    (shown,) = (own for own in findings if "'shown' shows beyond" in str(own))
    assert "Span(text='clear'" in str(shown)
    assert "to='table-column_2'" in str(shown)


def test_a_number_has_its_slopes(run: Run, document: Document) -> None:
    (slopes,) = tables(section(document, "grade"))
    frame = slopes.parts[0].frame
    title = Labels(run.manifest.metrics).title(TASK)
    row = frame[(frame["Metric"] == title) & (frame["Model"] == STANDARDISED)].iloc[0]
    table = Analysis(run, by="grade").table("slopes").set_index(["metric", "scope", "form"])
    for form in ("raw", "adjusted"):
        own = {name: table[name][TASK, STANDARDISED, form] for name in table}
        found = [row[f"{name}_{form}"] for name in ("Rho", "Low", "High", "P", "Curve")]
        assert found == [own[name] for name in ("rho", "low", "high", "p", "curve_omega_squared")]
    assert "'grade' shows beyond length" in words(section(document, "grade"))


def test_prompts_are_listed_with_what_is_known_of_them(run: Run, document: Document) -> None:
    (whole,) = (own for own in document.sections if own.key == "prompts")
    (pages,) = (own for own in whole.blocks if isinstance(own, Pages))
    frame = pages.table.parts[0].frame
    assert list(frame)[-6:] == ["size", "shown", "grade", "style", "kind", "task"]
    prompts = run.prompts().set_index("prompt_id")
    for place, row in enumerate(frame.to_dict("records")[:10]):
        known = prompts.loc[row["Prompt"]]
        assert row["size"] == known["attributes.size"]
        assert row["shown"] == str(known["attributes.shown"]).lower()
        assert f"grade: {known['attributes.grade']}" in pages.heads[place]
    assert any('odd "name".x: é' in head for head in pages.heads)


@pytest.mark.slow
def test_columns_beyond_a_few_are_told_of_once_their_statistics_are_kept(run: Run) -> None:
    def told() -> list[str]:
        (whole,) = (own for own in build_report(run).sections if own.key == "columns")
        return [own.title for own in whole.blocks if isinstance(own, Section)]

    before = told()
    assert "one" not in before
    Analysis(run, by="one").table("effects")
    after = told()
    assert "one" in after
    same = section(build_report(run), "one")
    assert "whether 'one' shows cannot be told (there is only one group)" in words(same)


@pytest.mark.slow
def test_what_is_kept_inside_tasks_is_told_too(run: Run) -> None:
    assert "inside tasks" not in words(section(build_report(run), "style"))
    Analysis(run, by="style", within="task").table("effects")
    assert "'style' shows inside tasks is open" in words(section(build_report(run), "style"))


@pytest.mark.slow
def test_a_run_without_columns_has_no_such_section(tmp_path: Path) -> None:
    run = run_with_columns(tmp_path / "run", count=4, columns=False)
    document = build_report(run)
    assert "columns" not in [own.key for own in document.sections]
    (whole,) = (own for own in document.sections if own.key == "prompts")
    (pages,) = (own for own in whole.blocks if isinstance(own, Pages))
    assert list(pages.table.parts[0].frame)[-1] == "In"


@pytest.mark.slow
@pytest.mark.parametrize("form", ["html", "markdown", "text"])
def test_it_is_written_in_every_format(form: str, document: Document) -> None:
    assert "your columns" in str(render(document, form)).casefold()


def test_a_label_can_be_chosen_by_layer_and_head(run: Run, document: Document) -> None:
    (whole,) = (own for own in document.sections if own.key == "metrics")
    (chooser,) = (own for own in whole.blocks if isinstance(own, Chooser))
    assert "shown: true" in chooser.groups
    assert not any(own.startswith("grade") for own in chooser.groups)
    title = Labels(run.manifest.metrics).axis(TASK)
    rows = run.measurements(metrics=[TASK])
    shown = run.prompts().set_index("prompt_id")["attributes.shown"]
    for grid in chooser.grids:
        assert len(grid.values) == len(chooser.groups)
        if grid.title != title or grid.series != MODELS[0].label:
            continue
        own = rows[(rows["model"] == MODELS[0].label) & rows["prompt_id"].map(shown).astype(bool)]
        found = grid.values[chooser.groups.index("shown: true")]
        means = own.groupby(["layer", "head"])["value"].mean().reset_index()
        for row in means.to_dict("records"):
            place = int(row["layer"]) - grid.first, int(row["head"])
            assert found[place] == pytest.approx(row["value"])
