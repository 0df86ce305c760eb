"""The brain by need shows what the lesions of a region's layers cost, task by task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lesioning.conftest import save
from models.tiny import tiny_config
from transformers import LlamaForCausalLM

import cortexscope
from cortexscope.analysis import REGIONS, Analysis
from cortexscope.document import Brain
from cortexscope.engine import Settings
from cortexscope.report._shown import Shown
from cortexscope.report.sections.brain import build
from cortexscope.store import Measurements, Run


@pytest.fixture
def lesioned(tmp_path: Path, suite_file: Path) -> Run:
    torch.manual_seed(0)
    folder = save(tmp_path / "model", LlamaForCausalLM(tiny_config(num_hidden_layers=5)))
    return cortexscope.lesion(
        f"m={folder}",
        part=("mlp", "attention"),
        suite=suite_file,
        metrics=("residual_norm", "mlp_contribution", "bits_per_byte"),
        out=tmp_path / "need",
        settings=Settings(batch_tokens=128),
        selfcheck=False,
    ).run


def test_a_region_costs_what_its_parts_cost(lesioned: Run) -> None:
    table = Analysis(lesioned).table("region_needs")
    effects = Measurements.of(lesioned).lesions().effects
    effects = effects.assign(bits=effects["bits_per_byte"] - effects["bits_per_byte_base"])
    # Of five layers each fifth of the depth has one; the middle third has layer 3 alone.
    for region, kind, layers in (
        ("visual", "mlp", [1]),
        ("broca", "mlp", [3]),
        ("prefrontal", "mlp", [5]),
        ("wernicke", "attention", [3]),
        ("hippocampus", "attention", [4, 5]),
    ):
        own = effects[(effects["kind"] == kind) & effects["layer"].isin(layers)]
        prompts = own.groupby(["task", "prompt_id"])["bits"].mean().dropna()
        assert len(prompts) > 4
        rows = table[(table["region"] == region) & (table["form"] == "raw")].set_index("task")
        expected = prompts.groupby("task").mean()
        np.testing.assert_allclose(rows["mean"].loc[expected.index], expected, rtol=1e-9)
        z = (expected - expected.mean()) / prompts.std(ddof=1)
        np.testing.assert_allclose(rows["z"].loc[expected.index], z, rtol=1e-9)
        assert set(rows["metric"]) == {kind}
        assert set(rows["first_layer"]) == {layers[0]}
    spread = effects[effects["kind"] == "attention"].pivot(
        index="prompt_id", columns="layer", values="bits"
    )
    rows = table[(table["region"] == "cingulate") & (table["form"] == "raw")]
    assert rows["mean"].mean() == pytest.approx(
        np.mean(
            [
                spread[spread.index.str.startswith(task)].std(axis=1, ddof=0).mean()
                for task in ("counting", "naming")
            ]
        )
    )
    whole = table[table["region"] == "cerebellum"]
    assert whole["mean"].isna().all()
    assert set(whole["reason"]) == {"layers: not taken out; `cortexscope lesion --part` does that"}


@pytest.mark.slow
def test_it_is_drawn_where_parts_were_taken_out(
    lesioned: Run, tmp_path: Path, suite_file: Path
) -> None:
    shown = Shown(lesioned)
    (figure,) = shown.figures_named("brain_need")
    assert figure.title == "The brain view by need, a metaphor"
    brains = [panel for panel in figure.panels if isinstance(panel, Brain)]
    assert len(brains) == 2
    assert {area.key for area in brains[0].areas} == {region.key for region in REGIONS}
    told = [area.told for area in brains[0].areas if area.key == "visual"]
    lost = "Bits per byte lost without the MLP"
    assert told == [f"{lost}, mean over the blocks from 0% to 20% of the depth (layer 1)"]
    assert "taken out one by one" in figure.caption
    assert "bits per byte lost without" in figure.finding
    assert build(shown) is not None
    plain = cortexscope.profile(
        f"m={tmp_path / 'model'}", suite_file, metrics=["mlp_contribution"], selfcheck=False
    )
    assert Shown(Run(plain.path)).figures_named("brain_need") == []
