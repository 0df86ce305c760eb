"""Lesions from request to findings: planted parts, rank correlations, resuming, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from lesioning.conftest import save
from models.tiny import WORDS, tiny_config
from scipy import stats
from transformers import LlamaForCausalLM

import cortexscope
from cortexscope.analysis import specific
from cortexscope.engine import Settings, Silent
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.store import Run

FEW = ("residual_norm", "attention_entropy", "bits_per_byte")
SETTINGS = Settings(batch_tokens=128, shard_batches=2)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Two tasks; the words of the one are not those of the other."""
    draw = np.random.default_rng(0)
    lines = ["task,id,text"]
    for task, words in (("calling", ["four"] * 5 + ["five"]), ("counting", ["one"] * 5 + ["two"])):
        for number in range(24):
            own = draw.choice(words, size=6 + number % 8)
            lines.append(f"{task},{task}-{number:02d},{' '.join(own)}")
    path = tmp_path / "texts.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A model of which nothing works but an MLP that raises `four` where it or `five` is read."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(tiny_config(num_hidden_layers=4))
    with torch.no_grad():
        words = model.model.embed_tokens.weight
        words[:, -1] = 0
        words[[WORDS.index(word) for word in ("four", "five")], -1] = words.std() * 4
        for block in model.model.layers:
            block.self_attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
        mlp = model.model.layers[1].mlp
        for matrix in (mlp.gate_proj, mlp.up_proj):
            matrix.weight[0].zero_()
            matrix.weight[0, -1] = 1.0
        mlp.down_proj.weight[:, 0] = 2 * words[WORDS.index("four")]
    return save(tmp_path / "planted", model)


def lesion(folder: Path, texts: Path, **asked: Any) -> cortexscope.Lesions:
    return cortexscope.lesion(
        f"tiny={folder}",
        suite=texts,
        metrics=asked.pop("metrics", FEW),
        settings=SETTINGS,
        selfcheck=False,
        **asked,
    )


@pytest.mark.slow
def test_the_part_that_one_task_needs_is_named_and_nothing_else(planted: Path, texts: Path) -> None:
    found = lesion(planted, texts, part=("layers", "attention", "mlp", "neurons"), top=3)
    effects = found.table("effects")
    for row in effects[effects["task"].notna()].to_dict("records"):
        part, task = row["part"], row["task"]
        needed = task == "calling" and part in ("mlp:2", "layers:2", "neurons:2.0")
        assert (abs(row["bits"]) > 1e-6) == needed, (part, task)
        assert (row["kl"] > 1e-6) == needed, (part, task)
        assert not needed or row["bits"] > 0
    for effect in ("surprisal", "kl"):
        named = specific(found.table("specific"), effect)
        assert set(zip(named["part"], named["task"], strict=True)) == {
            (part, "calling") for part in ("mlp:2", "layers:2", "neurons:2.0")
        }
    said = " ".join(found.findings)
    assert "mlp:2 for calling" in said
    assert "no attentions are needed for one task more" in said
    (agreement,) = found.table("agreement").to_dict("records")
    assert (agreement["parts"], agreement["looked_at"]) == (3, 256)


@pytest.mark.slow
def test_effects_are_means_of_prompts_and_estimates_those_of_the_file(
    tmp_path: Path, texts: Path
) -> None:
    torch.manual_seed(1)
    model = LlamaForCausalLM(tiny_config(num_hidden_layers=5, initializer_range=0.3))
    folder = save(tmp_path / "random", model)
    found = lesion(folder, texts, part=("mlp", "heads"), top=6, out=tmp_path / "run")
    lesions = found.run.path / "lesions"
    rows = pa.concat_tables(map(pq.read_table, sorted(lesions.glob("*-effects.parquet"))))
    rows = rows.to_pandas()
    rows["bits"] = rows["bits_per_byte"] - rows["bits_per_byte_base"]
    effects = found.table("effects")
    whole = effects[effects["task"].isna()].set_index("part")
    for layer in range(1, 6):
        own = rows[(rows["kind"] == "mlp") & (rows["layer"] == layer)]
        assert whole.loc[f"mlp:{layer}", "bits"] == pytest.approx(own["bits"].mean())
        assert whole.loc[f"mlp:{layer}", "kl"] == pytest.approx(own["kl"].mean())
    # The intact model's bits per byte are those of the run.
    run = found.run.measurements_table(metrics=["bits_per_byte"]).to_pandas()
    bits = run.set_index("prompt_id")["value"]
    base = rows[rows["kind"] == "mlp"].drop_duplicates("prompt_id").set_index("prompt_id")
    np.testing.assert_allclose(base["bits_per_byte_base"], bits.loc[base.index], atol=1e-6)
    estimates = pa.concat_tables(map(pq.read_table, sorted(lesions.glob("*-estimates.parquet"))))
    estimates = estimates.to_pandas()
    table = found.table("estimates").set_index("part")["estimate"]
    assert len(table) == 20
    for layer in range(1, 6):
        means = np.stack(estimates.loc[estimates["layer"] == layer, "surprisal_change"]).mean(0)
        np.testing.assert_allclose(table[[f"heads:{layer}.{n}" for n in range(4)]], means)
    # The foremost by estimate were taken out, and no others.
    foremost = set(table.abs().sort_values().index[-6:])
    chosen = {part for part in whole.index if part.startswith("heads")}
    assert chosen == foremost
    truth = rows[rows["kind"] == "heads"]
    truth = (
        (truth["surprisal"] - truth["surprisal_base"])
        .groupby(
            "heads:" + truth["layer"].astype(str) + "." + truth["index"].astype(int).astype(str)
        )
        .mean()
    )
    (agreement,) = found.table("agreement").to_dict("records")
    rho = stats.spearmanr(table[truth.index], truth).statistic
    assert agreement["rho"] == pytest.approx(rho)
    assert agreement["low"] - 1e-9 <= rho <= agreement["high"] + 1e-9
    # Metrics against effects, by scipy.
    measures = found.table("measures").set_index(["kind", "effect", "metric"])["rho"]
    norms = found.run.measurements_table(metrics=["residual_norm"]).to_pandas()
    norms = norms[norms["layer"] > 0].groupby("layer")["value"].mean()
    for effect in ("bits", "kl"):
        needed = [whole.loc[f"mlp:{layer}", effect] for layer in range(1, 6)]
        name = {"bits": "surprisal", "kl": "kl"}[effect]
        rho = stats.spearmanr(norms, needed).statistic
        assert measures["mlp", name, "residual_norm"] == pytest.approx(rho)
        depth = stats.spearmanr(range(5), needed).statistic
        assert measures["mlp", name, "layer"] == pytest.approx(depth)
    entropy = found.run.measurements_table(metrics=["attention_entropy"]).to_pandas()
    entropy = entropy.groupby(["layer", "head"])["value"].mean()
    rho = stats.spearmanr(entropy, table).statistic
    assert measures["heads", "estimate", "attention_entropy"] == pytest.approx(rho)


@pytest.mark.slow
def test_what_was_done_is_not_done_again(
    planted: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    first = lesion(planted, texts, part="mlp", out=out)
    files = sorted((out / "lesions").iterdir())
    before = first.table("effects")
    files[0].unlink()
    stamps = {file: file.stat().st_mtime_ns for file in files[1:]}
    again = lesion(planted, texts, part="mlp", out=out, resume=True)
    assert sorted((out / "lesions").iterdir()) == files
    assert {file: file.stat().st_mtime_ns for file in files[1:]} == stamps
    assert again.table("effects").equals(before)
    # Another kind comes beside it, and other choices of the same replace the old ones.
    more = lesion(planted, texts, part="neurons", top=2, out=out, resume=True)
    assert set(more.table("effects")["kind"]) == {"mlp", "neurons"}
    other = lesion(planted, texts, part="neurons", top=3, out=out, resume=True)
    own = other.table("effects")
    assert own.loc[own["kind"] == "neurons", "part"].nunique() == 3
    # A kind of which a batch is missing does not count.
    files[0].unlink()
    left = cortexscope.Lesions(Run(out), loss="kl").table("effects")
    assert set(left["kind"]) == {"neurons"}


def test_kinds_that_are_taken_out_together_are_those_taken_out_alone(
    planted: Path, texts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    both = lesion(planted, texts, part=("attention", "mlp"), out=out).table("effects")
    for kind in ("attention", "mlp"):
        alone = lesion(planted, texts, part=kind).table("effects")
        own = both[both["kind"] == kind].reset_index(drop=True)
        assert own["part"].equals(alone["part"])
        for effect in ("bits", "kl"):
            np.testing.assert_allclose(own[effect], alone[effect], rtol=0, atol=1e-6)
    # Where a batch of one kind is missing, that kind alone is read again.
    first, *others = sorted((out / "lesions").iterdir())
    stamps = [file.stat().st_mtime_ns for file in others]
    first.unlink()
    again = lesion(planted, texts, part=("attention", "mlp"), out=out, resume=True)
    assert first.exists()
    assert [file.stat().st_mtime_ns for file in others] == stamps
    np.testing.assert_allclose(again.table("effects")["kl"], both["kl"], rtol=0, atol=1e-6)


def test_wrong_requests_are_refused(planted: Path, texts: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no kind of part 'head'.*heads"):
        lesion(planted, texts, part="head")
    with pytest.raises(UsageError, match="cannot be judged by 'entropy'"):
        lesion(planted, texts, loss="entropy")
    with pytest.raises(UsageError, match="0 were asked for"):
        lesion(planted, texts, top=0)


def test_a_model_without_such_parts_says_so(planted: Path, texts: Path) -> None:
    said: list[str] = []

    class Noted(Silent):
        def note(self, text: str) -> None:
            said.append(text)

    found = lesion(planted, texts, part=("mlp", "experts"), progress=Noted())
    assert "tiny has no experts that can be taken out" in said
    assert set(found.table("effects")["kind"]) == {"mlp"}
    said.clear()
    with pytest.raises(UsageError, match="has no experts that can be taken out; it has layers, "):
        lesion(planted, texts, part="experts", progress=Noted())
    # Nothing was measured for it.
    assert said == []
