"""What the decoder of an encoder-decoder is given: the target, as teacher forcing feeds it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from cortexscope.engine._batches import batches_of
from cortexscope.engine._encode import Encoded, encode
from cortexscope.errors import SuiteError
from cortexscope.records import Prompt

WORDS = ["[PAD]", "[UNK]", "<s>", "</s>", "<fr>", "<en>", "one", "two", "three", "four", "five"]
PROMPTS = [
    Prompt("p-1", "t", "one two three", target="three two one four"),
    Prompt("p-2", "t", "four", target="five"),
    Prompt("p-3", "t", "two two"),
]


class SourceAndTarget(PreTrainedTokenizerFast):  # type: ignore[misc]
    """A tokenizer that writes another first token before a target, as translators do."""

    def _switch_to_input_mode(self) -> None:
        self._begin_with("<en>")

    def _switch_to_target_mode(self) -> None:
        self._begin_with("<fr>")

    def _begin_with(self, token: str) -> None:
        from tokenizers.processors import TemplateProcessing

        self._tokenizer.post_processor = TemplateProcessing(
            single=f"{token} $0 </s>",
            special_tokens=[(token, WORDS.index(token)), ("</s>", 3)],
        )


def tokenizer_that(
    adds: str, kind: type[PreTrainedTokenizerFast] = PreTrainedTokenizerFast
) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    made = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = TemplateProcessing(single=adds, special_tokens=[("<s>", 2), ("</s>", 3)])
    return kind(
        tokenizer_object=made,
        unk_token="[UNK]",
        pad_token="[PAD]",
        bos_token="<s>",
        eos_token="</s>",
    )


def t5() -> PreTrainedModel:
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(WORDS),
            d_model=8,
            d_kv=4,
            d_ff=8,
            num_layers=1,
            num_heads=2,
            pad_token_id=0,
            eos_token_id=3,
            decoder_start_token_id=0,
        )
    )


def bart() -> PreTrainedModel:
    return BartForConditionalGeneration(
        BartConfig(
            vocab_size=len(WORDS),
            d_model=8,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=8,
            decoder_ffn_dim=8,
            max_position_embeddings=32,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
            decoder_start_token_id=3,
            forced_eos_token_id=3,
        )
    )


def encoded_by(tokenizer: Any, **options: Any) -> list[Encoded]:
    settings = {"model": "tiny", "context": None, "truncate": False, **options}
    return encode(PROMPTS, tokenizer, **settings)[0]


@pytest.mark.parametrize(
    ("model", "adds"), [(t5, "$0 </s>"), (bart, "<s> $0 </s>")], ids=["t5", "bart"]
)
def test_a_target_is_what_the_models_own_shift_gives(model: Any, adds: str) -> None:
    tokenizer, built = tokenizer_that(adds), model()
    start = built.config.decoder_start_token_id
    for item in encoded_by(tokenizer, decoder_start=start)[:2]:
        labels = tokenizer(text_target=item.prompt.target, return_tensors="pt")["input_ids"]
        shifted = built.prepare_decoder_input_ids_from_labels(labels=labels)
        assert item.target == tuple(shifted[0].tolist())
        assert 3 not in (item.target or ())[1:]


def test_labels_and_decoder_input_give_the_same_logits() -> None:
    tokenizer, built = tokenizer_that("$0 </s>"), t5().eval()
    item = encoded_by(tokenizer, decoder_start=0)[0]
    ids = torch.tensor([item.ids])
    labels = tokenizer(text_target=item.prompt.target, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        forced = built(input_ids=ids, labels=labels).logits
        ours = built(input_ids=ids, decoder_input_ids=torch.tensor([item.target])).logits
    assert torch.equal(forced, ours)


def test_without_a_target_the_decoder_reads_its_start_token() -> None:
    tokenizer = tokenizer_that("<s> $0 </s>")
    assert encoded_by(tokenizer, decoder_start=3)[2].target == (3,)


def test_a_model_of_one_stack_has_no_decoder_input() -> None:
    tokenizer = tokenizer_that("<s> $0 </s>")
    with_targets = encoded_by(tokenizer)
    assert [item.target for item in with_targets] == [None] * 3
    assert [item.tokens for item in with_targets] == [5, 3, 4]


def test_targets_are_tokenized_in_the_target_language() -> None:
    tokenizer = tokenizer_that("$0 </s>", SourceAndTarget)
    first = encoded_by(tokenizer, decoder_start=3)[0]
    assert first.ids[0] == WORDS.index("<en>")
    assert first.target == (3, WORDS.index("<fr>"), 8, 7, 6, 9)


def test_a_tokenizer_without_a_target_mode_reads_targets_as_texts() -> None:
    class Plain:
        all_special_tokens = ("</s>",)

        def __call__(self, text: str, **options: object) -> dict[str, list[int]]:
            return {"input_ids": [WORDS.index(word) for word in text.split()] + [3]}

    assert encoded_by(Plain(), decoder_start=0)[0].target == (0, 8, 7, 6, 9)


def test_the_context_holds_for_the_target_too() -> None:
    tokenizer = tokenizer_that("$0 </s>")
    tokenizer.model_max_length = 4
    with pytest.raises(SuiteError, match=r"The target of prompt \(p-1\) has 5 tokens and tiny rea"):
        encoded_by(tokenizer, decoder_start=0, context=4)
    assert encoded_by(tokenizer, context=4)[0].target is None
    items, cut = encode(PROMPTS, tokenizer, model="tiny", context=4, truncate=True, decoder_start=0)
    assert items[0].target == (0, 8, 7, 6)
    assert [(c.prompt_id, c.part, c.tokens, c.kept) for c in cut] == [("p-1", "target", 5, 4)]


pairs = st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=1, max_size=50)


@given(pairs, st.integers(1, 1000))
def test_batches_bound_both_inputs_with_their_padding(
    sizes: list[tuple[int, int]], budget: int
) -> None:
    items = [
        Encoded(Prompt(f"p{number}", "t", "x"), tuple(range(text)), tuple(range(target)))
        for number, (text, target) in enumerate(sizes)
    ]
    batches = list(batches_of(items, batch_tokens=budget))
    ids = [item.prompt.id for batch in batches for item in batch.items]
    assert sorted(ids) == sorted(f"p{number}" for number in range(len(sizes)))
    for batch in batches:
        padded = len(batch.items) * (batch.longest + batch.longest_target)
        assert len(batch.items) == 1 or padded <= budget
        assert batch.longest == max(len(item.ids) for item in batch.items)
        assert batch.longest_target == max(len(item.target or ()) for item in batch.items)
        assert batch.tokens == sum(text + target for text, target in _sizes(batch.items))


def _sizes(items: tuple[Encoded, ...]) -> list[tuple[int, int]]:
    return [(len(item.ids), len(item.target or ())) for item in items]
