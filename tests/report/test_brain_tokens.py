"""The brain view along the tokens that a model added to a prompt."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from report.made_runs import REGIONAL, FakeModel, Row, manifest_of, prompts_of, table_of

from cortexscope.analysis import REGIONS, regions_of_steps
from cortexscope.document import Brain, Figure, Prose
from cortexscope.errors import UnknownNameError
from cortexscope.report import build_figures, build_report
from cortexscope.store import GENERATIONS, MEASUREMENTS, Measurements, Run, RunWriter

_MODELS = FakeModel(label="one", layers=6, heads=2), FakeModel(label="two", layers=3, heads=2)
_TOKENS = 5
_PIECES = [" a", " b", "<b>", " d", " e"]


def _rows(model: FakeModel, prompt: Any, rng: np.random.Generator) -> list[Row]:
    head = (prompt.task, prompt.id, 20)
    rows: list[Row] = []
    for layer in range(1, model.layers + 1):
        for name in REGIONAL:
            heads = range(model.heads) if name.startswith("attention") else (None,)
            rows += [(*head, name, layer, own, float(rng.gamma(2.0)), None) for own in heads]
    return rows


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    asked = prompts_of(["counting", "naming"], 8)
    manifest = manifest_of([own.info() for own in _MODELS], asked, REGIONAL)
    settings = {**manifest.settings, "generate": {"tokens": _TOKENS}}
    manifest = manifest.model_copy(update={"settings": settings})
    path = tmp_path_factory.mktemp("steps") / "run"
    writer, rng = RunWriter(path, manifest, asked), np.random.default_rng(5)
    for model in _MODELS:
        texts = [
            {
                "model": model.label, "task": own.task, "prompt_id": own.id,
                "text": "".join(_PIECES), "finish": "length", "token_ids": list(range(_TOKENS)),
                "tokens": _PIECES, "surprisal": [1.0] * _TOKENS, "entropy": [1.0] * _TOKENS,
            }
            for own in asked
        ]  # fmt: skip
        with writer.steps(model.label, 0) as take:
            for step in range(1, _TOKENS + 1):
                made = table_of(model.label, [r for p in asked for r in _rows(model, p, rng)])
                place = made.schema.get_field_index("step")
                kind = MEASUREMENTS.field("step").type
                take(made.set_column(place, "step", pa.array([step] * len(made), kind)))
        table = table_of(model.label, [row for own in asked for row in _rows(model, own, rng)])
        writer.write_shard(
            model.label, 0, table, generations=pa.Table.from_pylist(texts, schema=GENERATIONS)
        )
    writer.finish("2026-05-04T10:13:40+00:00")
    return Run(path)


def expected(run: Run, model: str, layers: int, region: Any, prompt: str) -> list[float]:
    """Return a region's value of each token, from the rows of the files."""
    file = next((run.path / "measurements").glob(f"*{model}*-steps.parquet"))
    read = pd.read_parquet(file)
    low, high = region.band
    inside = [own for own in range(1, layers + 1) if low <= (own - 0.5) / layers < high]
    middle = (low + high) / 2
    inside = inside or [min(range(1, layers + 1), key=lambda n: abs((n - 0.5) / layers - middle))]
    values = []
    for step in range(1, _TOKENS + 1):
        own = read[(read["prompt_id"] == prompt) & (read["step"] == step)]
        own = own[own["metric"] == region.metric]
        by_layer = [float(np.mean(own[own["layer"] == layer]["value"])) for layer in inside]
        values.append(float(np.mean(by_layer) if region.of == "mean" else np.std(by_layer)))
    return values


def test_regions_of_tokens_are_those_of_the_stored_rows(run: Run) -> None:
    found = regions_of_steps(Measurements.of(run), "nami-003")
    for model in _MODELS:
        for region in REGIONS:
            own = found[(found["model"] == model.label) & (found["region"] == region.key)]
            values = expected(run, model.label, model.layers, region, "nami-003")
            np.testing.assert_array_equal(own["step"], range(1, _TOKENS + 1))
            np.testing.assert_allclose(own["value"], values, rtol=1e-12)
            z = (np.array(values) - np.mean(values)) / np.std(values, ddof=1)
            np.testing.assert_allclose(own["z"], z, rtol=1e-9, atol=1e-12)


def test_a_panel_a_token_says_which_one_it_is(run: Run) -> None:
    (figure,) = build_figures(run, only=["brain_tokens"], prompt="nami-003")
    assert figure.steps
    assert [panel.title for panel in figure.panels[:3]] == [
        "one, token 1: “a”",
        "one, token 2: “b”",
        "one, token 3: “<b>”",
    ]
    assert len(figure.panels) == 2 * _TOKENS
    table = regions_of_steps(Measurements.of(run), "nami-003").to_dict("records")
    found = {(row["model"], row["step"], row["region"]): row for row in table}
    for place, panel in enumerate(figure.panels):
        assert isinstance(panel, Brain)
        model, step = _MODELS[place // _TOKENS].label, place % _TOKENS + 1
        for area in panel.areas:
            row = found[model, step, area.key]
            assert (area.value, area.shade) == (row["value"], row["z"])
            assert math.isnan(area.low)
            assert math.isnan(area.high)
    assert "A step is one token that the model added to the prompt nami-003" in figure.caption
    assert "no part of a language model is a brain area" in figure.caption


def test_no_more_than_the_first_tokens_are_drawn(run: Run) -> None:
    from cortexscope.report._frames import RunFrames
    from cortexscope.report._labels import Labels
    from cortexscope.report.figures.brain_tokens import BrainTokens

    frames, labels = RunFrames(run), Labels(run.manifest.metrics)
    figure = BrainTokens(most=2)(frames, labels)
    assert len(figure.panels) == 4
    assert figure.notes == (
        "one added 5 tokens, of which the first 2 are drawn.",
        "two added 5 tokens, of which the first 2 are drawn.",
    )


@pytest.mark.slow
def test_a_report_has_it_or_says_how_to_get_it(run: Run, tmp_path: Path) -> None:
    document = build_report(run)
    assert [own.key for own in document.figures][-2:] == ["brain", "brain_tokens"]
    told = "values of single tokens are kept of those that a model adds to a prompt"
    assert not any(told in str(own) for own in document.blocks if isinstance(own, Prose))
    asked = prompts_of(["counting", "naming"], 8)
    model, rng = dataclasses.replace(_MODELS[0]), np.random.default_rng(1)
    writer = RunWriter(tmp_path / "run", manifest_of([model.info()], asked, REGIONAL), asked)
    rows = [row for own in asked for row in _rows(model, own, rng)]
    writer.write_shard(model.label, 0, table_of(model.label, rows))
    writer.finish("2026-05-04T10:13:40+00:00")
    silent = Run(tmp_path / "run")
    document = build_report(silent)
    assert document.figures[-1].key == "brain"
    (said,) = (own for own in document.blocks if isinstance(own, Prose) and told in str(own))
    assert "--generate N" in str(said)
    with pytest.raises(UnknownNameError, match="nothing that the figure 'brain_tokens' shows"):
        build_figures(silent, only=["brain_tokens"])


def test_numbers_of_the_page_are_those_of_the_panels(run: Run) -> None:
    (figure,) = build_figures(run, only=["brain_tokens"])
    assert isinstance(figure, Figure)
    part = figure.panels[0].numbers()
    assert part.frame["n"].tolist() == [1] * len(REGIONS)
    assert part.frame["low"].isna().all()
