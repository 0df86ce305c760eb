"""The bytes that tokens stand for add up to the text's, for every kind of tokenizer."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from models.tiny import tiny_config
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer, UnigramTrainer, WordPieceTrainer
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from cortexscope.engine import RunRequest, Settings, run
from cortexscope.engine.passes._bytes import byte_ends

DOG = "\N{DOG}"
TEXTS = (
    f"{DOG} dog",
    f"a {DOG}\N{EMOJI MODIFIER FITZPATRICK TYPE-4} and\n\n{DOG}",
    "naïve café, cafe\N{COMBINING ACUTE ACCENT}",
    "ܫܠܡܐ አማርኛ 한국어 日本語 ไทย",
    " begins with  two   spaces\tand a tab \n",
    "##1 <0x0A> ▁ ĠÃ £5",
    "x",
)
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
CORPUS = [*TEXTS[:1], "dog and dogs begin with two spaces", "naïve café, 日本語"] * 20


def byte_level(*, trained: bool, prefix: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    size = 330 if trained else 0
    tokenizer.train_from_iterator(
        CORPUS, BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    )
    return tokenizer


def byte_fallback(*, prepend: str) -> Tokenizer:
    pieces = ["<unk>", *BYTES, "▁", *"dogandbegins", "do", "dog", "▁dog", "▁▁"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    merges = [("d", "o"), ("do", "g"), ("▁", "dog"), ("▁", "▁")]
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    if prepend == "normalizer":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend, split=False)
    return tokenizer


def sizes(tokenizer: Tokenizer, text: str) -> tuple[list[str], list[float]]:
    """Return the tokens of a text, and how many bytes each stands for."""
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    encoding = fast(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    ends = [0.0, *byte_ends(encoding, text, fast)]
    return encoding.tokens(), [after - before for before, after in pairwise(ends)]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("trained", [False, True])
def test_a_letter_of_a_byte_level_token_is_a_byte(text: str, trained: bool) -> None:
    tokens, found = sizes(byte_level(trained=trained), text)
    assert found == [len(token) for token in tokens]
    assert sum(found) == len(text.encode())


@pytest.mark.parametrize("text", TEXTS)
def test_the_space_that_a_byte_level_tokenizer_adds_is_no_byte_of_the_text(text: str) -> None:
    tokens, found = sizes(byte_level(trained=True, prefix=True), text)
    added = not text.startswith(" ")
    assert found == [len(token) - (added and not n) for n, token in enumerate(tokens)]
    assert sum(found) == len(text.encode())


@pytest.mark.parametrize("prepend", ["normalizer", "always", "first", "never"])
@pytest.mark.parametrize("text", [text for text in TEXTS if "<0x" not in text])
def test_a_byte_token_is_one_byte_and_a_mark_of_space_too(text: str, prepend: str) -> None:
    tokens, found = sizes(byte_fallback(prepend=prepend), text)
    spelt = [1 if token in BYTES else len(token.replace("▁", " ").encode()) for token in tokens]
    spelt[0] -= sum(spelt) - len(text.encode())
    assert prepend != "never" or spelt[0] > 0
    assert found == spelt


@pytest.mark.parametrize("lowercase", [False, True])
def test_a_word_piece_stands_for_the_space_before_it_too(lowercase: bool) -> None:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    letters = sorted(set("doganbegiswthpc,"))
    tokenizer.train_from_iterator(
        CORPUS,
        WordPieceTrainer(
            vocab_size=60,
            initial_alphabet=letters,
            special_tokens=["[UNK]", "[CLS]", "[SEP]"],
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokens, found = sizes(tokenizer, f"Dogs, begin  {DOG} {DOG}s and 한국 naïve\n")
    # The line's end is of no token; the special ones stand for nothing.
    words = ["Dogs", ",", " begin", f"  {DOG}", f" {DOG}s", " and", " 한국", " naïve"]
    assert sum(found) == sum(len(word.encode()) for word in words)
    assert tokens[0] == "[CLS]"
    assert found[0] == found[-1] == 0
    assert {size for token, size in zip(tokens, found, strict=True) if token == "[UNK]"} <= {
        len(word.encode()) for word in words
    }
    assert all(
        size == len(token.removeprefix("##"))
        for token, size in zip(tokens, found, strict=True)
        if token.startswith("##") and token.isascii() and token.removeprefix("##") != "i"
    )


def test_unigrams_stand_for_what_they_cover() -> None:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        CORPUS, UnigramTrainer(vocab_size=60, unk_token="<unk>", show_progress=False)
    )
    for text in TEXTS[:1] + TEXTS[2:4]:
        tokens, found = sizes(tokenizer, text)
        assert sum(found) == len(text.encode())
        assert all(
            size == len(token.replace("▁", " ").encode())
            for token, size in zip(tokens[1:], found[1:], strict=True)
            if token.isascii()
        )


def test_tokens_of_a_letter_that_is_rewritten_share_its_bytes() -> None:
    tokenizer = byte_fallback(prepend="never")
    tokenizer.normalizer = normalizers.NFKD()
    # A ligature of 3 bytes becomes two letters, a syllable of 3 bytes three of 3 bytes each.
    assert sizes(tokenizer, "d\N{LATIN SMALL LIGATURE FI}d") == (
        ["d", "<0x66>", "i", "d"],
        [1, 1.5, 1.5, 1],
    )
    _, found = sizes(tokenizer, "d한d")
    assert found == [1, *[pytest.approx(1 / 3)] * 9, 1]


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False])
def test_bits_are_divided_by_the_bytes_after_the_first_token(first: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = byte_level(trained=False)
    if first:
        tokenizer.add_special_tokens(["<s>"])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
        )
    folder = tmp_path / "tiny"
    LlamaForCausalLM(tiny_config(vocab_size=257)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    suite = tmp_path / "suite.csv"
    long = "🐕" * 30
    suite.write_text(f"task,id,text\nt,dog,{DOG} dog\nt,long,{long}\n", encoding="utf-8")
    request = RunRequest(
        models=(f"tiny={folder}",),
        out=tmp_path / "run",
        suite=suite,
        metrics=("surprisal", "bits_per_byte"),
        settings=Settings(truncate=True, sample_tokens=None),
        selfcheck=False,
    )
    found = run(request).measurements().set_index(["metric", "prompt_id"])["value"]
    for name in ("dog", "long"):
        # Each token but the special one is a byte, and each but the first is predicted.
        assert found["bits_per_byte", name] == pytest.approx(
            found["surprisal", name] / math.log(2), rel=1e-12
        )


@pytest.mark.weights
def test_the_demo_decoder_divides_by_six_bytes(tmp_path: Path) -> None:
    suite = tmp_path / "suite.csv"
    suite.write_text(f"task,id,text\nt,dog,{DOG} dog\n", encoding="utf-8")
    request = RunRequest(
        models=("demo-decoder",),
        out=tmp_path / "run",
        suite=suite,
        metrics=("surprisal", "bits_per_byte"),
        selfcheck=False,
    )
    found = run(request).measurements().set_index("metric")["value"]
    # Tokens of 2, 1, 1 and 4 bytes, of which the first is not predicted.
    assert found["bits_per_byte"] == pytest.approx(found["surprisal"] * 3 / math.log(2) / 6)
    assert found["bits_per_byte"] == pytest.approx(7.791, abs=5e-4)
