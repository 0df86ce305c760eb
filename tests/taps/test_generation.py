"""Tokens that are generated one by one are measured as when they are read at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from families import FAMILIES, tiny_model
from generated import folder_of, forced_row, forced_values

from cortexscope.measure import attach
from cortexscope.models import LoadOptions, load_model

READ, WRITTEN = 12, 5


@pytest.mark.parametrize(
    "family", ["gpt2", "qwen2", "llama", "gemma3_text", "gpt_oss", "bloom", "t5", "bart"]
)
def test_each_generated_token_attends_as_when_all_are_read_at_once(family: str) -> None:
    model = tiny_model(family, sharpness=3)
    ids = torch.randint(3, 200, (2, READ), generator=torch.Generator().manual_seed(1))
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    options = {"max_new_tokens": WRITTEN, "min_new_tokens": WRITTEN, "do_sample": False}
    untouched = model.generate(**given, **options)
    with attach(model, metrics=["attention_entropy"]) as probe:
        written = model.generate(**given, **options)
    assert torch.equal(untouched, written)

    pair = FAMILIES[family].kind == "encoder-decoder"
    decoder = {"decoder_input_ids": written} if pair else {"input_ids": written}
    for part in model.modules():
        if hasattr(part, "config"):
            part.config._attn_implementation = "eager"
    with torch.no_grad():
        whole = model(**(given if pair else {}), **decoder, output_attentions=True)
    matrices = {"decoder": whole.decoder_attentions if pair else whole.attentions}
    if pair:
        matrices["cross"] = whole.cross_attentions
    frame = probe.frame()
    frame = frame[frame["n_tokens"] == 1]
    passes = frame["prompt_id"].str.partition("-")[0].astype(int)
    first = 0 if pair else READ
    for stack, layers in matrices.items():
        rows = torch.stack([torch.special.entr(m.double()).sum(-1) for m in layers], 1)
        if FAMILIES[family].sink:
            # What a row lacks to 1 is one more outcome.
            lost = [(1 - m.double().sum(-1)).clamp(min=0) for m in layers]
            rows += torch.special.entr(torch.stack(lost, 1))
        for step, position in enumerate(range(first, written.shape[1] - 1)):
            at = frame[(passes == step + 1) & (frame["stack"] == stack)]
            got = at.sort_values(["prompt_id", "layer", "head"])["value"].to_numpy(dtype=float)
            wanted = rows[..., position].flatten().numpy()
            np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_one_token_prompts_of_grouped_heads_are_measured(family: str) -> None:
    model = tiny_model(family)
    with attach(model, metrics=["attention_entropy"]) as probe, torch.no_grad():
        model(
            input_ids=torch.tensor([[0, 0, 5], [0, 0, 6]])[:, -1:],
            attention_mask=torch.ones(2, 1, dtype=torch.long),
        )
    frame = probe.frame()
    assert frame["head"].nunique() == 4
    assert frame["value"].eq(0).all()


PLACED = [
    "attention_entropy_normalized",
    "attention_sink_mass",
    "attention_entropy_by_position",
    "attention_distance",
    "residual_norm",
    "block_influence",
]
"""Metrics that leave a prompt's first token out, or count its tokens."""


@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral", "t5"])
def test_a_token_after_a_cache_is_not_taken_for_a_first_one(family: str, tmp_path: Path) -> None:
    model = load_model(str(folder_of(family, tmp_path / family)), LoadOptions(dtype="float64"))
    module, pair = model.module, FAMILIES[family].kind == "encoder-decoder"
    drawn = torch.Generator().manual_seed(4)
    ids = torch.randint(3, 200, (2, READ), generator=drawn)
    # The second prompt is shorter, and padded on the left as for generation.
    mask = torch.ones_like(ids)
    if not pair:
        mask[1, :5] = 0
    given = {"input_ids": ids, "attention_mask": mask}
    length = {"max_new_tokens": WRITTEN, "min_new_tokens": WRITTEN, "do_sample": False}
    with attach(module, metrics=PLACED, sample_tokens=None) as probe:
        written = module.generate(**given, **length)
    frame = probe.frame()
    frame = frame[(frame["n_tokens"] == 1) & (frame["stack"] != "encoder")]
    first = 0 if pair else READ
    for step, end in enumerate(range(first + 1, written.shape[1])):
        for row in (0, 1):
            own = frame[frame["prompt_id"] == f"{step + 1}-{row}"]
            got = forced_values(own)
            if pair:
                inputs = {"input_ids": ids[[row]], "decoder_input_ids": written[[row], :end]}
            else:
                inputs = {"input_ids": written[[row], :end][:, 5 * row :]}
            wanted = forced_row(model, PLACED, **inputs)
            assert got.index.equals(wanted.index)
            np.testing.assert_allclose(got, wanted, rtol=1e-7, atol=1e-10)
