"""A metric without each part is what a run of the variant without it measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from families import tiny_model
from lesioning.conftest import save

import cortexscope
from cortexscope.analysis import Analysis
from cortexscope.engine import Settings
from cortexscope.report._shown import Shown
from cortexscope.report.sections.lesion import build
from cortexscope.store import Run

SETTINGS = Settings(batch_tokens=128, shard_batches=2)
PLACES = ["prompt_id", "stack", "layer", "head"]


def measured(reference: str, suite: Path, out: Path, metric: str) -> pd.Series[float]:
    profile = cortexscope.profile(
        f"m={reference}", suite, metrics=[metric], settings=SETTINGS, out=out, selfcheck=False
    )
    frame = profile.frame(metric).astype({"layer": float, "head": float}).fillna({"head": -1})
    return frame.set_index(PLACES)["value"]


@pytest.mark.parametrize(
    ("family", "kind", "metric"),
    [
        ("llama", "mlp", "residual_norm"),
        ("llama", "attention", "attention_entropy"),
        ("bert", "layers", "near_zero_fraction"),
        pytest.param("t5", "attention", "residual_norm", marks=pytest.mark.slow),
    ],
)
def test_values_are_those_of_the_variant(
    family: str, kind: str, metric: str, tmp_path: Path, suite_file: Path
) -> None:
    folder = save(tmp_path / "model", tiny_model(family))
    found = cortexscope.lesion(
        f"m={folder}",
        part=kind,
        loss=metric,
        suite=suite_file,
        metrics=("residual_norm",),
        out=tmp_path / "need",
        settings=SETTINGS,
        selfcheck=False,
    )
    table = found.table("values")
    whole = table[table["task"].isna()].set_index("part")
    assert set(table["task"].dropna()) == {"counting", "naming"}
    intact = measured(str(folder), suite_file, tmp_path / "intact", metric)
    stack = "encoder" if family in ("bert", "t5") else "decoder"
    for number, (part, row) in enumerate(whole.iterrows()):
        without = measured(f"{folder}~{part}", suite_file, tmp_path / f"v{number}", metric)
        both = pd.DataFrame({"base": intact, "value": without}).xs(stack, level="stack").dropna()
        means = both.groupby("prompt_id").mean()
        assert row["prompts"] == len(means)
        assert row["base"] == pytest.approx(means["base"].mean(), rel=1e-6)
        change = (means["value"] - means["base"]).mean()
        assert row["change"] == pytest.approx(change, rel=1e-4, abs=1e-7)
        if kind == "attention" and metric == "attention_entropy":
            # What went with the part is compared on neither side.
            assert row["layer"] not in both.index.get_level_values("layer")
    assert metric in found.findings[0]
    assert str(whole["change"].abs().idxmax()) in found.findings[0]


@pytest.mark.slow
def test_metrics_come_beside_each_other_and_are_not_measured_twice(
    tmp_path: Path, suite_file: Path
) -> None:
    folder = save(tmp_path / "model", tiny_model("llama"))
    out = tmp_path / "need"

    def lesion(loss: str) -> cortexscope.Lesions:
        return cortexscope.lesion(
            f"m={folder}",
            part="mlp",
            loss=loss,
            suite=suite_file,
            metrics=("residual_norm",),
            out=out,
            settings=SETTINGS,
            selfcheck=False,
            resume=True,
        )

    lesion("residual_norm")
    stamps = {file: file.stat().st_mtime_ns for file in (out / "lesions").iterdir()}
    assert any(file.name.endswith("-values.parquet") for file in stamps)
    lesion("residual_norm")
    found = lesion("residual_mean")
    assert set(found.table("values")["metric"]) == {"residual_norm", "residual_mean"}
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps
    assert "residual_mean" in found.findings[0]
    assert cortexscope.Lesions(Run(out), loss="kl").findings
    section = build(Shown(Run(out)))
    assert section is not None
    plain = Analysis(Run(out)).table("lesion_values")
    np.testing.assert_array_equal(plain["p_max_t"] >= plain["p"], True)
