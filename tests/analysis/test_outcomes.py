"""A run that is told its right and wrong answers says what told them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analysis.planted import LENGTH, MODELS, TASK, planted_run
from sklearn.metrics import roc_auc_score

from cortexscope.analysis import Analysis, Settings, keep_outcomes
from cortexscope.cli import main
from cortexscope.errors import UsageError
from cortexscope.report import write_report
from cortexscope.store import Measurements, Run

MODEL = MODELS[0].label


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return planted_run(tmp_path / "run", controls=False)


@pytest.fixture
def file(run: Run, tmp_path: Path) -> Path:
    """Right is what has more of TASK at layer 1 than the middle prompt of its task."""
    found = Measurements.of(run).by_layer([TASK])
    own = found[(found["model"] == MODEL) & (found["layer"] == 1)]
    middle = own.groupby("task")["value"].transform("median")
    table = pd.DataFrame({"prompt_id": own["prompt_id"], "correct": own["value"] > middle})
    path = tmp_path / "answers.csv"
    table.to_csv(path, index=False)
    return path


def test_the_table_holds_the_area_under_the_curve_of_each_layer(run: Run, file: Path) -> None:
    said = keep_outcomes(run, file, model=MODEL)
    assert said == (f"{MODEL}: outcomes of 60 of 60 prompts, from 'correct'.",)
    table = Analysis(Run(run.path), settings=Settings(0, 400, 400)).table("outcomes")
    assert set(table["model"]) == {MODEL}
    assert list(dict.fromkeys(table["task"])) == ["all tasks", "counting", "naming", "telling"]
    every = table[table["task"] == "all tasks"].set_index(["metric", "layer"])
    assert every.loc[(TASK, 1), "auc"] == 1
    right = pd.read_csv(file).set_index("prompt_id")["correct"]
    values = Measurements.of(run).by_prompt([TASK])
    values = values[values["model"] == MODEL].set_index("prompt_id")
    areas, pairs = [], []
    for _, own in values.groupby("task"):
        truth = right[own.index]
        areas.append(roc_auc_score(truth, own["value"]))
        pairs.append(truth.sum() * (~truth).sum())
    mean = every.loc[[key for key in every.index if key[0] == TASK and np.isnan(key[1])], "auc"]
    # Held out, values lie from the mean of the other folds' prompts of the task.
    assert float(mean.iloc[0]) == pytest.approx(np.average(areas, weights=pairs), abs=0.03)
    # The run measured no surprisal.
    assert every["beats"].isna().all()
    assert every["reason"].dropna().str.contains("no surprisal").all()


def test_what_is_told_again_takes_the_place_of_what_was_told(run: Run, file: Path) -> None:
    keep_outcomes(run, file, model=MODEL)
    keep_outcomes(run, file, model=MODELS[1].label)
    table = pd.read_csv(file).head(30).assign(correct=0.5)
    table.to_csv(file, index=False)
    keep_outcomes(run, file, model=MODEL)
    found = Measurements.of(Run(run.path)).outcomes()
    assert found.groupby("model").size().to_dict() == {MODEL: 30, MODELS[1].label: 60}
    assert set(found.loc[found["model"] == MODEL, "outcome"]) == {0.5}


@pytest.mark.slow
def test_the_command_line_says_the_findings_and_the_report_has_them(
    run: Run, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with file.open("a") as more:
        more.write("elsewhere-1,True\n")
    asked = ["outcomes", str(run.path), str(file), "--model", MODEL, "--permutations", "200"]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert f"{MODEL}, all tasks: nothing can be told: there is no surprisal" in said
    assert "--metric default --metric surprisal" in said
    assert "1 ids are of no prompt of the run and are left out" in said
    assert f"{TASK} at layer 1" in said
    assert (run.path / "stats" / "outcomes.csv").is_file()
    html = write_report(Run(run.path)).report.read_text(encoding="utf-8")
    assert "What tells right answers from wrong ones" in html


def test_models_and_ids_that_are_not_there_say_so(run: Run, file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 models; say whose answers they are with --model"):
        keep_outcomes(run, file)
    with pytest.raises(UsageError, match="no model 'nobody'"):
        keep_outcomes(run, file, model="nobody")
    (tmp_path / "o.csv").write_text("id,correct\nx,1\n")
    with pytest.raises(UsageError, match=r"None of the 1 ids .* such as 'x', here such as"):
        keep_outcomes(run, tmp_path / "o.csv", model=MODEL)
    assert not (run.path / "outcomes.parquet").exists()


def test_a_run_without_outcomes_says_how_it_is_told_them(run: Run) -> None:
    found = Analysis(run, metrics=[LENGTH], settings=Settings(0, 400, 400))
    assert "cortexscope outcomes RUN FILE" in str(found.missing("outcomes"))
