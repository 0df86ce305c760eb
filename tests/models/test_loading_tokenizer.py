"""A model reads text with its own tokenizer or a named one, and never with one too large."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from models.tiny import WORDS, FolderMaker, tiny_config, tiny_tokenizer
from reference import METRICS
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

import cortexscope
from cortexscope.errors import ModelFileError, ModelNotFoundError, UsageError
from cortexscope.models import LoadOptions, load_model, open_model


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "suite.csv"
    path.write_text("task,id,text\nt,a,one two three four\nt,b,five\nt,c,on no one two\n")
    return path


def strip(folder: Path) -> Path:
    """Take its tokenizer from a folder."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    return folder


def save(tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    tokenizer.save_pretrained(folder)
    return folder


def test_missing_tokenizer_says_how_to_take_another(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="--tokenizer REF"):
        open_model(str(strip(llama)))
    other = save(tiny_tokenizer(), tmp_path / "other")
    assert load_model(str(llama), LoadOptions(tokenizer=str(other))).tokenizer("two").input_ids == [
        5
    ]


def test_named_tokenizer_reads_the_prompts_and_is_recorded(
    pristine: Path, llama: Path, suite: Path, tmp_path: Path
) -> None:
    strip(llama)
    other = save(tiny_tokenizer(), tmp_path / "other")
    settings = cortexscope.Settings(loading=LoadOptions(tokenizer=str(other)))
    found = cortexscope.profile(f"m={llama}", suite, settings=settings)
    assert found.frame().equals(cortexscope.profile(f"m={pristine}", suite).frame())
    assert found.manifest.settings["tokenizer"] == str(other)
    files = found.manifest.models[0].files
    assert files["tokenizer/tokenizer.json"] == (
        hashlib.sha256((other / "tokenizer.json").read_bytes()).hexdigest()
    )
    assert "tokenizer.json" not in files


def test_named_tokenizer_wins_over_the_models_own(llama: Path, tmp_path: Path) -> None:
    reverse = tiny_tokenizer()
    content = json.loads(reverse.backend_tokenizer.to_str())
    content["model"]["vocab"]["one"], content["model"]["vocab"]["two"] = 5, 4
    other = save(reverse, tmp_path / "other")
    (other / "tokenizer.json").write_text(json.dumps(content))
    assert open_model(str(llama), LoadOptions(tokenizer=str(other))).tokenizer("one").input_ids == [
        5
    ]


def test_tokenizer_of_another_kind_of_model_is_read_as_that_kind(
    llama: Path, make_folder: FolderMaker
) -> None:
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 8}
    bert = make_folder(BertModel(BertConfig(vocab_size=12, num_hidden_layers=1, **sizes)), "bert")
    strip(bert)
    (bert / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\none\ntwo\n")
    found = open_model(str(llama), LoadOptions(tokenizer=str(bert))).tokenizer
    assert found("one").input_ids == [2, 5, 3]


@pytest.mark.parametrize("reference", ["./nowhere", "demo-decodr"])
def test_tokenizer_that_is_not_there_is_named(llama: Path, reference: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"nowhere|demo-decodr"):
        open_model(str(llama), LoadOptions(tokenizer=reference))


def test_tokenizer_with_an_adapter_is_refused(llama: Path, tmp_path: Path) -> None:
    (tmp_path / "lora").mkdir()
    with pytest.raises(UsageError, match="adapter"):
        open_model(str(llama), LoadOptions(tokenizer=f"{llama}+{tmp_path / 'lora'}"))


@pytest.mark.parametrize("end", ["</s>", None])
def test_tokenizer_without_a_pad_token_pads_all_the_same(
    llama: Path, suite: Path, end: str | None, tmp_path: Path
) -> None:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tiny_tokenizer().backend_tokenizer, unk_token="[UNK]", eos_token=end
    )
    assert tokenizer.pad_token_id is None
    expected = cortexscope.profile(f"m={llama}", suite, metrics=METRICS).frame()
    other = Path(shutil.copytree(llama, tmp_path / "copy"))
    save(tokenizer, other)
    assert open_model(str(other)).tokenizer.pad_token_id is None
    assert cortexscope.profile(f"m={other}", suite, metrics=METRICS).frame().equals(expected)


def test_tokenizer_larger_than_the_embedding_is_refused(make_folder: FolderMaker) -> None:
    folder = make_folder(LlamaForCausalLM(tiny_config(vocab_size=len(WORDS) - 1)))
    with pytest.raises(
        ModelFileError, match="token ids up to 11 and the model embeddings up to 10"
    ):
        open_model(str(folder))


def test_a_tokenizer_that_panics_is_refused(llama: Path) -> None:
    file = llama / "tokenizer.json"
    read = json.loads(file.read_text())
    # A template names a token that its own table does not have.
    read["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
    }
    file.write_text(json.dumps(read))
    with pytest.raises(ModelFileError, match=r"tokenizer in .* cannot be read"):
        load_model(str(llama))


def test_token_added_by_hand_may_lie_outside(llama: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<image>"])
    save(tokenizer, llama)
    assert len(load_model(str(llama)).tokenizer) == len(WORDS) + 1


def test_token_that_the_tokenizer_puts_into_every_text_may_not_lie_outside(llama: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<start>"})
    start = [("<start>", len(WORDS))]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<start> $A", None, start)
    save(tokenizer, llama)
    with pytest.raises(ModelFileError, match="do not belong together"):
        open_model(str(llama))


@pytest.mark.parametrize(
    ("short", "loaded"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_dtype_has_a_short_form(llama: Path, short: str, loaded: torch.dtype) -> None:
    model = load_model(str(llama), LoadOptions(dtype=short))
    assert model.module.dtype is loaded
    assert model.info.dtype == str(loaded).removeprefix("torch.")


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_statistics_are_float32_whatever_the_weights(llama: Path, suite: Path, dtype: str) -> None:
    settings = cortexscope.Settings(loading=LoadOptions(dtype=dtype))
    frame = cortexscope.profile(str(llama), suite, settings=settings).frame("residual_norm")
    model = load_model(str(llama), LoadOptions(dtype=dtype))
    ids = torch.tensor([model.tokenizer("one two three four").input_ids])
    with torch.inference_mode():
        embedded = model.module.get_input_embeddings()(ids)
    expected = embedded.double().norm(dim=-1).mean().item()
    first = frame[(frame["prompt_id"] == "a") & (frame["layer"] == 0)]["value"].item()
    # A sum in the weights' own precision would be off by 1e-3 and more.
    assert first == pytest.approx(expected, rel=1e-6)
