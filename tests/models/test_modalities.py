"""Models that read images, sound or series are refused; a decoder inside of one is read as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from families import VOCABULARY
from generated import forced_values, suite_of, written
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from cortexscope.cli import main
from cortexscope.engine import Generation, RunRequest, Settings, run
from cortexscope.errors import UnsupportedModelError
from cortexscope.measure import attach
from cortexscope.models import load_model, open_model

TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
OPT = {
    **{name: TEXT[name] for name in TEXT if name not in ("num_key_value_heads",)},
    "model_type": "opt",
    "ffn_dim": 96,
    "word_embed_proj_dim": 48,
}
SEEN = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
ROPE = {"rope_type": "default", "mrope_section": [2, 2, 2], "rope_theta": 10000.0}
QFORMER = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "encoder_hidden_size": 32,
}

WHOLES: dict[str, dict[str, Any]] = {
    "llava": {"text_config": {**TEXT, "model_type": "llama"}},
    "idefics3": {"text_config": {**TEXT, "model_type": "llama"}, "pad_token_id": 0},
    "gemma3": {
        "text_config": {**TEXT, "model_type": "gemma3_text", "head_dim": 16, "sliding_window": 8}
    },
    "qwen2_vl": {
        "text_config": {**TEXT, "rope_parameters": ROPE},
        "vision_config": {"depth": 2, "embed_dim": 32, "hidden_size": 48, "num_heads": 2},
    },
    "blip-2": {"text_config": OPT, "qformer_config": QFORMER},
}
METRICS = ["attention_entropy", "residual_norm", "surprisal"]


def whole_of(family: str) -> PreTrainedModel:
    """Return a model that reads images and text, its attention far from even."""
    torch.manual_seed(0)
    settings = {"vision_config": dict(SEEN), "image_token_id": 5, **WHOLES[family]}
    config = AutoConfig.for_model(family, **settings)
    model: PreTrainedModel = transformers.AutoModelForImageTextToText.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(8)
    return model


def alone_of(whole: PreTrainedModel) -> PreTrainedModel:
    """Return its language model as a model of its own, which knows nothing of images."""
    text = whole.config.get_text_config()
    if text.model_type == "qwen2_vl_text":
        # Where there is no image, all of its three positions are the token's place.
        plain = {name: TEXT[name] for name in TEXT}
        text = AutoConfig.for_model("qwen2", **plain, rope_parameters={**ROPE})
    alone: PreTrainedModel = AutoModelForCausalLM.from_config(text).eval()
    inner, base = whole.get_decoder(), alone.get_decoder()
    if hasattr(inner, "lm_head"):
        inner = inner.get_decoder()
    base.load_state_dict(inner.state_dict())
    alone.get_output_embeddings().load_state_dict(whole.get_output_embeddings().state_dict())
    return alone


@pytest.mark.slow
@pytest.mark.parametrize("family", WHOLES)
def test_a_decoder_inside_of_a_larger_model_has_the_values_it_has_alone(
    family: str, tmp_path: Path
) -> None:
    whole = whole_of(family)
    folder = written(whole, tmp_path / "model")
    finished = run(
        RunRequest(
            models=(f"tiny={folder}",),
            suite=suite_of(folder, lengths=(12, 9)),
            metrics=tuple(METRICS),
            out=tmp_path / "run",
            settings=Settings(sample_tokens=None, generate=Generation(tokens=2)),
        )
    )
    (info,) = finished.manifest.models
    assert (info.stack_kind, info.layers, info.context) == ("decoder", 3, 256)
    assert len(finished.generations()) == 2
    alone, tokenizer = alone_of(whole), load_model(str(folder)).tokenizer
    frame = finished.measurements()
    for _, prompt in finished.prompts().iterrows():
        with attach(alone, metrics=METRICS, sample_tokens=None) as probe, torch.no_grad():
            alone(torch.tensor([tokenizer(prompt["text"])["input_ids"]]))
        rows = frame[frame["prompt_id"] == prompt["prompt_id"]]
        got, wanted = forced_values(rows), forced_values(probe.frame())
        assert got.index.equals(wanted.index)
        # Of three layers with four heads, of four states, of the stack.
        assert len(got) == 12 + 4 + 1
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4)


def folder_of(config: PreTrainedConfig, path: Path) -> Path:
    config.save_pretrained(path)
    save_file({"weight": torch.zeros(1)}, path / "model.safetensors")
    return path


REFUSED = {
    "vit": "reads images and no text",
    "clip_vision_model": "reads images and no text",
    "detr": "reads images and no text",
    "imagegpt": "reads images and no text",
    "videomae": "reads videos and no text",
    "wav2vec2": "reads sound and no text",
    "hubert": "reads sound and no text",
    "time_series_transformer": "reads time series and no text",
    "patchtst": "reads time series and no text",
    "speech_to_text": "reads sound",
    "sam": "reads images",
    "resnet": "reads images and no text",
    "clip": "reads text only together with images",
    "siglip": "reads text only together with images",
    "clap": "reads text only together with sound",
    "vilt": "reads text only together with images",
    "decision_transformer": "and no text",
}


@pytest.mark.parametrize("family", REFUSED)
def test_what_reads_no_text_is_refused(family: str, tmp_path: Path) -> None:
    folder = folder_of(AutoConfig.for_model(family), tmp_path)
    with pytest.raises(UnsupportedModelError) as caught:
        open_model(str(folder))
    said = str(caught.value)
    assert REFUSED[family] in said
    assert "cortexscope measures models that read text" in said


def test_whisper_is_refused_as_others_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = AutoConfig.for_model("whisper", architectures=["WhisperForConditionalGeneration"])
    folder = folder_of(config, tmp_path / "whisper")
    assert main(["run", "--model", str(folder), "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert "holds a WhisperForConditionalGeneration, which reads" in said
    assert "cortexscope itself" not in said
    assert not (tmp_path / "run").exists()
