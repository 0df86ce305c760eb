"""A model reads text as the files of its folder, and of its adapter's, say."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from models.tiny import SPECIAL, WORDS, FolderMaker, tiny_config, tiny_tokenizer
from transformers import (
    BertConfig,
    BertModel,
    ByT5Tokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

import cortexscope
from cortexscope.cli import main
from cortexscope.errors import ModelFileError, SuiteError
from cortexscope.models import LoadOptions, open_chat, open_model
from cortexscope.models._quiet import quiet

peft = pytest.importorskip("peft")

TEMPLATE = "{% for m in messages %}<s>{{ m['content'] }} five{% endfor %}"
SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture
def lora(llama: Path, tmp_path: Path) -> Path:
    module = LlamaForCausalLM.from_pretrained(llama)
    with quiet():
        peft.PeftModel(module, peft.LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(
            tmp_path / "lora", save_embedding_layers=False
        )
    return tmp_path / "lora"


def swapped() -> PreTrainedTokenizerFast:
    """Return a tokenizer in which two words have each other's ids, with a chat template."""
    made = tiny_tokenizer()
    content = json.loads(made.backend_tokenizer.to_str())
    content["model"]["vocab"] |= {"one": 5, "two": 4}
    from tokenizers import Tokenizer

    found = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(content)),
        unk_token="[UNK]",
        bos_token="<s>",
        eos_token="</s>",
    )
    found.chat_template = TEMPLATE
    return found


def test_adapter_reads_with_its_own_tokenizer_and_chat_template(llama: Path, lora: Path) -> None:
    swapped().save_pretrained(lora)
    lines: list[str] = []
    source = open_model(f"{llama}+{lora}", note=lines.append)
    assert source.tokenizer("one two").input_ids == [5, 4]
    assert open_chat(source.tokenizer, source.info).use.frame == "<s>{prompt} five"
    assert source.info.tokenizer is not None
    assert source.info.tokenizer.source == "adapter"
    digest = hashlib.sha256((lora / "tokenizer.json").read_bytes()).hexdigest()
    assert source.info.files["adapter/tokenizer.json"] == digest
    assert "adapter/chat_template.jinja" in source.info.files
    assert len(lines) == 1
    assert "adapter's own tokenizer" in lines[0]


def test_tokenizer_that_was_asked_for_wins_over_the_adapters(
    llama: Path, lora: Path, tmp_path: Path
) -> None:
    swapped().save_pretrained(lora)
    tiny_tokenizer().save_pretrained(tmp_path / "other")
    source = open_model(f"{llama}+{lora}", LoadOptions(tokenizer=str(tmp_path / "other")))
    assert source.tokenizer("one two").input_ids == [4, 5]
    assert source.info.tokenizer is not None
    assert source.info.tokenizer.source == str(tmp_path / "other")
    assert "adapter/tokenizer.json" not in source.info.files


def test_adapter_with_a_chat_template_alone_takes_the_words_of_its_base(
    llama: Path, lora: Path
) -> None:
    (lora / "chat_template.jinja").write_text(TEMPLATE)
    source = open_model(f"{llama}+{lora}")
    assert source.tokenizer("one two").input_ids == [4, 5]
    assert open_chat(source.tokenizer, source.info).use.frame == "<s>{prompt} five"
    assert source.info.tokenizer is not None
    assert source.info.tokenizer.source == "model and adapter"
    assert {"tokenizer.json", "adapter/chat_template.jinja"} <= source.info.files.keys()


def test_adapters_tokenizer_config_alone_brings_its_special_tokens(llama: Path, lora: Path) -> None:
    own = swapped()
    own.save_pretrained(lora)
    (lora / "tokenizer.json").unlink()
    raw = json.loads((lora / "tokenizer_config.json").read_text())
    (lora / "tokenizer_config.json").write_text(json.dumps({**raw, "eos_token": "five"}))
    source = open_model(f"{llama}+{lora}")
    assert source.tokenizer("one two").input_ids == [4, 5]
    assert source.tokenizer.eos_token_id == WORDS.index("five")


def test_damaged_tokenizer_of_an_adapter_is_named(llama: Path, lora: Path) -> None:
    (lora / "tokenizer.json").write_text("{")
    with pytest.raises(ModelFileError, match=str(lora)):
        open_model(f"{llama}+{lora}")


def test_adapters_below_a_folder_are_named(llama: Path, lora: Path) -> None:
    (lora.parent / "outer").mkdir()
    shutil.move(lora, lora.parent / "outer" / "second")
    from cortexscope.errors import ModelNotFoundError

    with pytest.raises(ModelNotFoundError, match=r"give .*outer/second"):
        open_model(f"{llama}+{lora.parent / 'outer'}")


def sentence_folder(
    make_folder: FolderMaker, kind: str = "bert", *, file: str = "sentence_bert_config.json"
) -> Path:
    """Return an encoder whose words are all in lower case."""
    if kind == "bert":
        built: Any = BertModel(BertConfig(vocab_size=12, num_hidden_layers=1, **SIZES))
    else:
        built = MPNetModel(MPNetConfig(vocab_size=12, num_hidden_layers=1, **SIZES))
    folder = make_folder(built, kind)
    (folder / file).write_text(json.dumps({"max_seq_length": 6, "do_lower_case": True}))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("bert", "sentence_bert_config.json"),
        ("mpnet", "sentence_xlm-roberta_config.json"),
        ("mpnet", "sentence_roberta_config.json"),
    ],
)
def test_sentence_folder_reads_lower_case_and_no_more_than_it_says(
    make_folder: FolderMaker, tmp_path: Path, kind: str, file: str
) -> None:
    folder = sentence_folder(make_folder, kind, file=file)
    source = open_model(str(folder))
    text = "One TWO three"
    assert source.tokenizer(text).input_ids == tiny_tokenizer()(text.lower()).input_ids
    assert WORDS.index("[UNK]") in tiny_tokenizer()(text).input_ids
    assert source.info.context == 6
    assert source.info.tokenizer is not None
    assert (source.info.tokenizer.lower_case, source.info.tokenizer.longest) == (True, 6)
    suite = tmp_path / "suite.csv"
    suite.write_text("task,id,text\nt,a,One TWO three\nt,b,one two three four five one two\n")
    with pytest.raises(SuiteError, match="has 7 tokens and m reads at most 6"):
        cortexscope.profile(f"m={folder}", suite)
    settings = cortexscope.Settings(truncate=True)
    found = cortexscope.profile(f"m={folder}", suite, metrics=["residual_norm"], settings=settings)
    (folder / file).unlink()
    suite.write_text("task,id,text\nt,a,one two three\nt,b,one two three four five one\n")
    plain = cortexscope.profile(f"m={folder}", suite, metrics=["residual_norm"])
    assert found.frame().equals(plain.frame())
    assert [file in note for note in found.manifest.notes["m"]] == [True, True]
    assert plain.manifest.notes == {}


def test_slow_tokenizer_reads_lower_case_too(make_folder: FolderMaker) -> None:
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_heads": 2, "num_layers": 1}
    folder = make_folder(T5ForConditionalGeneration(T5Config(vocab_size=384, **sizes)), "byt5")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    ByT5Tokenizer().save_pretrained(folder)
    plain = open_model(str(folder)).tokenizer
    (folder / "sentence_bert_config.json").write_text('{"do_lower_case": true}')
    lowered = open_model(str(folder)).tokenizer
    assert lowered("One TWO").input_ids == plain("one two").input_ids != plain("One TWO").input_ids


def test_special_tokens_in_a_text_stay_what_they_are(make_folder: FolderMaker) -> None:
    folder = sentence_folder(make_folder)
    assert open_model(str(folder)).tokenizer("[PAD] ONE").input_ids == [0, 4]


def test_sentence_folder_without_a_length_takes_its_tokenizers(make_folder: FolderMaker) -> None:
    folder = sentence_folder(make_folder)
    (folder / "sentence_bert_config.json").write_text("{}")
    assert open_model(str(folder)).info.context == 512
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": 40}))
    assert open_model(str(folder)).info.context == 40
    (folder / "sentence_bert_config.json").unlink()
    # Elsewhere it is what training cut at, and no limit of the model.
    assert open_model(str(folder)).info.context == 512


def test_limit_never_goes_beyond_the_models_own(make_folder: FolderMaker) -> None:
    folder = sentence_folder(make_folder)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 4096}')
    assert open_model(str(folder)).info.context == 512


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"max_seq_length": "many"}', "max_seq_length 'many'"),
        ('{"max_seq_length": 0}', "max_seq_length 0"),
        ('{"do_lower_case": "yes"}', "do_lower_case 'yes'"),
        ("[", "not valid JSON"),
    ],
)
def test_wrong_sentence_settings_are_named(
    make_folder: FolderMaker, content: str, says: str
) -> None:
    folder = sentence_folder(make_folder)
    (folder / "sentence_bert_config.json").write_text(content)
    with pytest.raises(ModelFileError, match="sentence_bert_config") as caught:
        open_model(str(folder))
    assert says in str(caught.value)


def test_prompt_that_a_sentence_folder_puts_ahead_is_told(make_folder: FolderMaker) -> None:
    folder = sentence_folder(make_folder)
    prompts = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    assert any("'query: '" in note for note in open_model(str(folder)).notes)
    prompts["default_prompt_name"] = None  # type: ignore[assignment]
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    assert not any("query" in note for note in open_model(str(folder)).notes)


def test_fixed_length_of_a_tokenizer_file_neither_cuts_nor_pads(
    make_folder: FolderMaker, llama: Path
) -> None:
    """What tokenizer.json says of truncation and padding is of training batches."""
    path = llama / "tokenizer.json"
    raw = json.loads(path.read_text())
    raw["truncation"] = {
        "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0
    }  # fmt: skip
    raw["padding"] = {
        "strategy": {"Fixed": 5}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip
    path.write_text(json.dumps(raw))
    from cortexscope.engine._encode import encode
    from cortexscope.records import Prompt

    prompts = [Prompt("a", "t", "one two three four"), Prompt("b", "t", "one")]
    tokenizer = open_model(str(llama)).tokenizer
    found, cut = encode(prompts, tokenizer, model="m", context=64, truncate=False)
    assert ([item.ids for item in found], cut) == ([(4, 5, 6, 7), (4,)], [])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_share_of_unknown_tokens_is_told_above_a_tenth(
    make_folder: FolderMaker, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    built = {
        "llama": lambda: LlamaForCausalLM(tiny_config()),
        "gpt2": lambda: GPT2LMHeadModel(
            GPT2Config(vocab_size=12, n_embd=8, n_layer=1, n_head=1, n_positions=64)
        ),
        "bert": lambda: BertModel(BertConfig(vocab_size=12, num_hidden_layers=1, **SIZES)),
    }[kind]()
    folder = make_folder(built, kind)
    suite = tmp_path / "suite.csv"
    known = "one two three four five one two three four"
    # 2 of 20 tokens, then 3 of 21.
    for last, told in (("zwei", False), ("zwei drei", True)):
        suite.write_text(f"task,id,text\nt,a,{known} eins\nt,b,{known} {last}\n")
        command = ["run", "--model", f"m={folder}", "--suite", str(suite), "--metric"]
        out = tmp_path / f"run-{told}"
        assert main([*command, "residual_norm", "--no-report", "--out", str(out)]) == 0
        said = capsys.readouterr().err
        notes = cortexscope.open_profile(out).manifest.notes
        assert ("'[UNK]'" in said, bool(notes)) == (told, told)
        if told:
            assert notes["m"][0].startswith("14.3 % of the prompts' tokens are '[UNK]'")


def test_unknown_share_leaves_out_special_tokens_and_random_controls() -> None:
    from cortexscope.engine._encode import Encoded
    from cortexscope.engine._sources import unknown_share
    from cortexscope.records import Prompt

    tokenizer = tiny_tokenizer()
    unknown, start, end = (SPECIAL.index(name) for name in ("[UNK]", "<s>", "</s>"))
    items = [
        Encoded(Prompt("a", "t", "x"), (start, unknown, 4, end)),
        Encoded(Prompt("b", "t", "x"), (start, 4, end), target=(start, 4)),
        Encoded(Prompt("c", "t", "x", control="random", origin="a"), (start, unknown, end)),
    ]
    assert unknown_share(tokenizer, items) == 1 / 4
    tokenizer.unk_token = None
    assert unknown_share(tokenizer, items) == 0
