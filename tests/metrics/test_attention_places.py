"""Which token a key is stays known: with caches, windows that let keys go, padding and bands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from batches import Batch, inputs_for, row_of
from eager import eager
from families import FAMILIES, tiny_model
from measured import outcomes
from transformers import DynamicCache, StaticCache

from cortexscope.measure import attach
from cortexscope.models import find_anatomy
from cortexscope.records import Site
from cortexscope.taps import AttentionRows, AttentionSample, Tap

NEEDS = ("first_token", "previous_token", "learned_sink", "rows")
ROWS = tuple(f"attention.{name}" for name in NEEDS)
LENGTH = 44


class Kept:
    """Keeps what is shown of attention, pass by pass."""

    def __init__(self) -> None:
        self.passes: list[dict[tuple[Site, type], Any]] = []

    def begin(self) -> None:
        self.passes.append({})

    def stack(self, stack: object, tokens: object) -> None:
        pass

    def see(self, site: Site, seen: Any) -> None:
        if isinstance(seen, AttentionRows | AttentionSample):
            self.passes[-1][site, type(seen)] = seen

    def end(self) -> None:
        pass


def whole_matrices(model: Any, batch: Batch) -> list[np.ndarray]:
    """Return the attention of each layer as if each prompt were read alone and at once."""
    twin, mask = eager(model), batch["attention_mask"].bool().numpy()
    layers: list[np.ndarray] = []
    for prompt, kept in enumerate(mask):
        alone = row_of(batch, prompt, padding=False)
        with torch.no_grad():
            found = twin(**alone, output_attentions=True, use_cache=False).attentions
        if not layers:
            heads = found[0].shape[1]
            layers = [np.zeros((len(mask), heads, len(kept), len(kept))) for _ in found]
        for whole, matrix in zip(layers, found, strict=True):
            whole[prompt][np.ix_(np.ones(heads, bool), kept, kept)] = matrix[0].numpy()
    return layers


def step_by_step(model: Any, batch: Batch, steps: list[int], cache: Any, *, told: bool) -> Kept:
    """Read a batch in several passes; `told` says whether the mask of earlier ones is given."""
    kept, start = Kept(), 0
    tap = Tap(model, find_anatomy(model), needs=frozenset(ROWS), receiver=kept)
    with tap, torch.no_grad():
        for size in steps:
            stop = start + size
            given = {"input_ids": batch["input_ids"][:, start:stop]}
            if told:
                given["attention_mask"] = batch["attention_mask"][:, :stop]
            if "position_ids" in batch:
                given["position_ids"] = batch["position_ids"][:, start:stop]
            model(**given, past_key_values=cache, use_cache=True)
            start = stop
    return kept


def check(kept: Kept, matrices: list[np.ndarray], mask: np.ndarray, steps: list[int]) -> None:
    """Compare every row of every pass with that row of the whole matrices."""
    first = mask.argmax(1)
    stops = np.cumsum(steps)
    for seen, stop, size in zip(kept.passes, stops, steps, strict=True):
        for layer, whole in enumerate(matrices, start=1):
            rows = seen[Site("decoder", layer), AttentionRows]
            sample = seen[Site("decoder", layer), AttentionSample]
            for prompt in range(len(mask)):
                for row, query in enumerate(range(stop - size, stop)):
                    if not mask[prompt, query]:
                        continue
                    p = whole[prompt, :, query]
                    before = p[:, query - 1] if query > first[prompt] else np.zeros(len(p))
                    close(rows.statistics["first_token"][prompt, :, row], p[:, first[prompt]])
                    close(rows.statistics["previous_token"][prompt, :, row], before)
                    if "learned_sink" in rows.statistics:
                        close(rows.statistics["learned_sink"][prompt, :, row], 1 - p.sum(-1))
                        close(sample.learned_sink[prompt, :, row], 1 - p.sum(-1))
                    check_row(sample, prompt, row, p[:, : query + 1], first[prompt])


def check_row(sample: AttentionSample, prompt: int, row: int, p: np.ndarray, first: int) -> None:
    """Compare a whole row, whose own key is the last of `p`."""
    own = int(sample.queries.expand(sample.probabilities.shape[0], -1)[prompt, row])
    gone = p.shape[1] - 1 - own
    assert gone >= 0
    close(sample.probabilities[prompt, :, row, : own + 1], p[:, gone:])
    assert not np.any(p[:, :gone])
    assert not sample.probabilities[prompt, :, row, own + 1 :].any()
    start = 0 if sample.start is None else int(sample.start.expand(len(sample.tokens), -1)[prompt])
    assert start == first - gone


def close(got: torch.Tensor, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(got.numpy(), wanted, rtol=2e-4, atol=2e-6)


CACHED = ["gpt2", "qwen2", "llama", "gemma3_text", "mistral", "gpt_oss", "bloom", "falcon"]


@pytest.mark.slow
@pytest.mark.parametrize("steps", [[LENGTH], [12, 1, 1, 1, 19, 1, 9], [9, 27, 8]], ids=str)
@pytest.mark.parametrize("family", CACHED)
def test_rows_read_in_several_passes_are_those_of_one(family: str, steps: list[int]) -> None:
    model = tiny_model(family, sharpness=4)
    batch = inputs_for(FAMILIES[family], [LENGTH, LENGTH - 4], left=True)
    cache = DynamicCache(config=model.config)
    kept = step_by_step(model, batch, steps, cache, told=True)
    check(kept, whole_matrices(model, batch), batch["attention_mask"].numpy(), steps)


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma3_text"])
def test_a_cache_tells_of_earlier_passes_where_no_mask_does(family: str) -> None:
    model = tiny_model(family, sharpness=4)
    batch = inputs_for(FAMILIES[family], [LENGTH, LENGTH])
    steps = [12, 1, 1, 24, 6]
    kept = step_by_step(model, batch, steps, DynamicCache(config=model.config), told=False)
    check(kept, whole_matrices(model, batch), batch["attention_mask"].numpy(), steps)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_room_in_a_cache_for_tokens_to_come_moves_nothing(family: str, told: bool) -> None:
    model = tiny_model(family, sharpness=4)
    batch = inputs_for(FAMILIES[family], [LENGTH, LENGTH])
    steps = [6, 1, 1, 26, 1, 9]
    cache = StaticCache(config=model.config, max_cache_len=60)
    kept = step_by_step(model, batch, steps, cache, told=told)
    check(kept, whole_matrices(model, batch), batch["attention_mask"].numpy(), steps)


def test_a_band_of_keys_has_a_reason_for_what_needs_their_tokens() -> None:
    metrics = (
        "attention_first_token_mass",
        "attention_sink_rate",
        "attention_sink_rate_64",
        "attention_previous_token",
        "attention_distance",
        "attention_local_mass",
    )
    of_rows = ("attention_collision_entropy", "attention_received_concentration")
    model = tiny_model("longformer")
    asked = ["attention_entropy", *metrics, *of_rows]
    with attach(model, metrics=asked) as probe, torch.no_grad():
        model(**inputs_for(FAMILIES["longformer"], [20, 7]))
    for got in outcomes(probe.frame()).values():
        for key, value in got.items():
            if key[0] == "attention_entropy":
                assert isinstance(value, float)
            elif key[0] in metrics:
                assert value == (
                    "the attention of this layer shows no softmax with a place for every token"
                )
            else:
                assert value == "the attention of this layer shows no softmax over its keys"
        assert len(got) == len({key[0] for key in got if key[0] == "attention_entropy"}) * 12 + 24
