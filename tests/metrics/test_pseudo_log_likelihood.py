"""Masked models are measured by passes of their own, one hidden token a prompt and pass."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from heads import log_softmax
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from cortexscope.engine import RunRequest, run
from cortexscope.models import load_model

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, "one", "two", "three", "four", "five"]
TEXTS = {
    "long": "one two three four five " * 5,
    "short": "three one four",
    "word": "five",
    "cut": "two three",
}


def tokenizer(*, mask: bool) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    named = {"mask_token": "[MASK]"} if mask else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        **named,
    )


def folder_of(
    path: Path, *, mask: bool = True, words: Sequence[str] = WORDS, sharpness: float = 10
) -> Path:
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    model = BertForMaskedLM(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.3) if weight.dim() == 1 else weight.mul_(sharpness)
    model.save_pretrained(path)
    tokenizer(mask=mask).save_pretrained(path)
    return path


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "masked.csv"
    rows = [f"t,{name},{text}" for name, text in TEXTS.items()]
    path.write_text("\n".join(["task,id,text", *rows]) + "\n", encoding="utf-8")
    return path


def outcomes(folder: Path, suite: Path, out: Path) -> dict[str, float | str]:
    request = RunRequest(
        models=(f"tiny={folder}",),
        out=out,
        suite=suite,
        metrics=("pseudo_log_likelihood", "residual_norm"),
        selfcheck=False,
    )
    frame = run(request).measurements()
    assert set(frame["metric"]) == {"pseudo_log_likelihood", "residual_norm"}
    own = frame[frame["metric"] == "pseudo_log_likelihood"].set_index("prompt_id")
    filled = own["value"].astype(object).where(own["value"].notna(), own["reason"])
    return dict(filled)


def test_each_token_is_predicted_from_all_others(suite: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "bert")
    found = outcomes(folder, suite, tmp_path / "run")
    model = load_model(str(folder))
    twin = model.module.double()
    for name, text in TEXTS.items():
        ids = torch.tensor([model.tokenizer(text)["input_ids"]])
        logs = []
        for place in range(1, ids.shape[1] - 1):
            hidden = ids.clone()
            hidden[0, place] = 4
            with torch.no_grad():
                logits = twin(input_ids=hidden).logits[0, place].numpy()
            logs.append(log_softmax(logits)[ids[0, place]])
        assert found[name] == pytest.approx(np.mean(logs), rel=1e-5)


def test_a_model_that_predicts_the_next_token_says_so(
    suite: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    found = outcomes(tiny_folder, suite, tmp_path / "run")
    assert set(found.values()) == {
        "it is no masked language model; surprisal measures one that predicts the next token"
    }


def test_a_tokenizer_that_cannot_hide_a_token_says_so(suite: Path, tmp_path: Path) -> None:
    found = outcomes(folder_of(tmp_path / "bert", mask=False), suite, tmp_path / "run")
    assert set(found.values()) == {"its tokenizer has no token that hides another"}


PIECES = [*SPECIAL, "un", "##do", "##able", "##ly", "read", "it", "do", ",", "a"]
PIECED = {
    "long": "undoable read it, undo a readable undoablely do" + " it undoable" * 9,
    "short": "readable it",
    "word": "undoablely",
    "plain": "it a do",
}


def test_the_rest_of_a_word_is_hidden_with_a_token(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = folder_of(tmp_path / "bert", words=PIECES, sharpness=40)
    made = Tokenizer(
        models.WordPiece({word: n for n, word in enumerate(PIECES)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    suite = tmp_path / "pieces.jsonl"
    rows = [{"task": "t", "id": name, "text": text} for name, text in PIECED.items()]
    suite.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    names = ("pseudo_log_likelihood", "pseudo_log_likelihood_within_word")
    request = RunRequest(
        models=(f"tiny={folder}",),
        out=tmp_path / "run",
        suite=suite,
        metrics=names,
        selfcheck=False,
    )
    found = run(request).measurements().set_index(["metric", "prompt_id"])["value"]
    model = load_model(str(folder))
    twin = model.module.double()
    for name, text in PIECED.items():
        ids = torch.tensor([model.tokenizer(text)["input_ids"]])
        pieces = [PIECES[token] for token in ids[0].tolist()]
        for metric in names:
            logs = []
            for place in range(1, len(pieces) - 1):
                end = place + 1
                while metric != names[0] and pieces[end].startswith("##"):
                    end += 1
                hidden = ids.clone()
                hidden[0, place:end] = 4
                with torch.no_grad():
                    logits = twin(input_ids=hidden).logits[0, place].numpy()
                logs.append(log_softmax(logits)[ids[0, place]])
            assert found[metric, name] == pytest.approx(np.mean(logs), rel=1e-5)
    assert found[names[0], "plain"] == pytest.approx(found[names[1], "plain"], rel=1e-9)
    assert found[names[0], "long"] != pytest.approx(found[names[1], "long"], rel=1e-4)
