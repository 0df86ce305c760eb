"""Runs of models with an encoder and a decoder, with experts, and without attention."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from families import VOCABULARY, tiny_model
from reference import METRICS
from transformers import PreTrainedTokenizerFast

from cortexscope.engine import RunRequest, Settings, run
from cortexscope.measure import attach
from cortexscope.models import load_model
from cortexscope.tasks import load_suite

TEXTS = {"a": ("w5 w9 w7 w30 w31 w8 w77", "w40 w41 w42"), "b": ("w90 w12", "w6"), "c": ("w55", "")}


def folder_of(family: str, path: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = ["<pad>", "<s>", "</s>"]
    words = special + [f"w{number}" for number in range(3, VOCABULARY)]
    made = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="w3"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="$0 </s>", special_tokens=[("</s>", 2)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    tiny_model(family).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def suite_of(path: Path) -> Path:
    lines = [
        json.dumps({"task": "short", "id": name, "text": text, "summary": summary})
        for name, (text, summary) in TEXTS.items()
    ]
    file = path / "suite.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.mark.slow
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_an_encoder_decoder_is_measured_in_three_stacks(family: str, tmp_path: Path) -> None:
    folder = folder_of(family, tmp_path / family)
    finished = run(
        RunRequest(
            models=(f"tiny={folder}",),
            suite=load_suite(suite_of(tmp_path), columns="target=summary"),
            metrics=METRICS,
            out=tmp_path / "run",
            settings=Settings(batch_tokens=64, shard_batches=1),
        )
    )
    frame = finished.measurements()
    assert set(frame["stack"]) == {"encoder", "decoder", "cross"}
    lengths = frame.groupby(["stack", "prompt_id"])["n_tokens"].first()
    assert lengths["encoder"].tolist() == [8, 3, 2]
    # The start token, and the target without its end.
    assert lengths["decoder"].tolist() == lengths["cross"].tolist() == [4, 2, 1]

    model = load_model(str(folder)).module
    start = model.config.decoder_start_token_id
    with torch.no_grad(), attach(model, metrics=METRICS) as probe:
        for name, (text, summary) in TEXTS.items():
            probe.name([name], task="short")
            read = [[int(word[1:]) for word in part.split()] for part in (text, summary)]
            model(
                input_ids=torch.tensor([[*read[0], 2]]),
                decoder_input_ids=torch.tensor([[start, *read[1]]]),
            )
    columns = ["metric", "stack", "prompt_id", "layer", "head", "index"]
    wanted = probe.frame().sort_values(columns).reset_index(drop=True)
    got = frame.sort_values(columns).reset_index(drop=True)
    assert got[columns].equals(wanted[columns])
    assert got["reason"].equals(wanted["reason"])
    gap = (got["value"] - wanted["value"]).abs() / wanted["value"].abs().clip(lower=0.1)
    assert gap.max() < 1e-4
    assert got["value"].notna().equals(wanted["value"].notna())


def test_the_load_of_experts_is_written_with_their_numbers(tmp_path: Path) -> None:
    folder = folder_of("mixtral", tmp_path / "mixtral")
    finished = run(
        RunRequest(
            models=(f"tiny={folder}",),
            suite=load_suite(suite_of(tmp_path), columns="target=summary"),
            metrics=("expert_load", "router_entropy"),
            out=tmp_path / "run",
        )
    )
    frame = finished.measurements()
    load = frame[frame["metric"] == "expert_load"]
    assert set(load["index"]) == {0, 1, 2, 3}
    assert load["head"].isna().all()
    sums = load.groupby(["prompt_id", "layer"])["value"].sum()
    assert len(sums) == 9
    assert (sums - 1).abs().max() < 1e-12
    entropy = frame[frame["metric"] == "router_entropy"]
    assert entropy["index"].isna().all()
    assert entropy["value"].between(0, 1.3863).all()


def test_a_model_without_attention_says_so_once_a_prompt(tmp_path: Path) -> None:
    folder = folder_of("mamba", tmp_path / "mamba")
    finished = run(
        RunRequest(
            models=(f"tiny={folder}",),
            suite=load_suite(suite_of(tmp_path), columns="target=summary"),
            metrics=METRICS,
            out=tmp_path / "run",
        )
    )
    frame = finished.measurements()
    attention = frame[frame["metric"].str.contains("attention")]
    assert len(attention) == 4 * 3
    assert set(attention["reason"]) == {"no attention layers"}
    assert frame[frame["metric"] == "residual_norm"]["value"].gt(0).sum() == 4 * 3
