"""What is computed from kept states is, bit for bit, what the whole changed model computes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from families import FAMILIES
from lesioning.conftest import Loaded, batch_of, is_pair
from torch import nn

from cortexscope.lesioning import _pass
from cortexscope.lesioning._lesion import _shortest
from cortexscope.lesioning._parts import KINDS, parts_of
from cortexscope.lesioning._pass import LesionPass, can_reuse
from cortexscope.lesioning._reuse import Blocks

PANEL = ("llama", "gpt2", "gemma3_text", "bloom", "bert", "t5", "mamba", "mixtral", "falcon")


def blocks_of(side: Any) -> Blocks:
    return Blocks(side.reader.model.module, side.reader.anatomy)


@pytest.mark.parametrize("family", PANEL)
@torch.inference_mode()
def test_states_are_those_of_the_whole_pass(family: str, loaded: Loaded) -> None:
    side = loaded(family)
    batch = batch_of([9, 7], pair=is_pair(family))
    blocks = blocks_of(side)
    assert can_reuse(side, blocks, batch)
    with blocks.kept():
        intact = side.read(batch)
    looked_at = 0
    for kind in KINDS:
        # One of each layer.
        parts = {(part.stack, part.layer): part for part in parts_of(side.reader.model, kind)}
        for part in parts.values():
            with part.change.applied(side.reader.model):
                whole = side.read(batch)
                with blocks.given_again(blocks.before(part.stack, part.layer)):
                    reused = side.read(batch)
            assert torch.equal(whole, reused), part
            assert not torch.equal(whole, intact), part
            looked_at += 1
    assert looked_at >= 3
    assert torch.equal(side.read(batch), intact)
    assert not any("forward" in vars(m) for m in side.reader.model.module.modules())


def test_blocks_before_the_part_are_not_run(loaded: Loaded) -> None:
    side = loaded("llama")
    batch = batch_of([9, 7])
    blocks = blocks_of(side)
    ran = []
    for number, block in enumerate(side.reader.model.module.model.layers):
        block.mlp.register_forward_hook(lambda *_, n=number: ran.append(n))
    with torch.inference_mode():
        with blocks.kept():
            side.read(batch)
        assert ran == [0, 1, 2]
        ran.clear()
        with blocks.given_again(2):
            side.read(batch)
    assert ran == [2]


@pytest.mark.parametrize("family", [name for name in PANEL if name != "bert"])
def test_parts_beside_others_give_what_they_give_alone(
    family: str, loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = loaded(family)
    model = side.reader.model
    batch = batch_of([9, 7, 4], pair=is_pair(family))
    parts = [part for kind in KINDS for part in parts_of(model, kind) if (part.index or 0) < 2]
    monkeypatch.setattr(_pass, "_ROWS", 1)
    alone = LesionPass(side, blocks_of(side), reuse=True).read(batch, parts).to_pylist()
    for together in (3, 100):
        monkeypatch.setattr(_pass, "_ROWS", together * 3 * (batch.longest + batch.longest_target))
        beside = LesionPass(side, blocks_of(side), reuse=True).read(batch, parts).to_pylist()
        assert len(beside) == len(alone) == 3 * len(parts)
        for one, two in zip(alone, beside, strict=True):
            assert two == pytest.approx(one, abs=1e-6), two
    for kind in KINDS:
        # Bit for bit, whichever other kinds are asked for, so that a sweep may be interrupted.
        own = [part for part in parts if part.kind == kind]
        table = LesionPass(side, blocks_of(side), reuse=True).read(batch, own).to_pylist()
        assert table == [row for row in beside if row["kind"] == kind]
    assert not any("forward" in vars(m) for m in model.module.modules())


def test_a_model_whose_blocks_give_something_else_is_read_whole(loaded: Loaded) -> None:
    side = loaded("gpt2")
    layers = side.reader.model.module.transformer.h
    # What is no tensor cannot be joined with that of other passes.
    layers[0].register_forward_hook(lambda _, args, out: {"states": out})
    layers[1].register_forward_pre_hook(lambda _, args: (args[0]["states"], *args[1:]))
    assert not can_reuse(side, blocks_of(side), batch_of([7]))


def test_what_follows_several_parts_is_run_once_for_all(loaded: Loaded) -> None:
    side = loaded("llama")
    ran = []
    for number, block in enumerate(side.reader.model.module.model.layers):
        block.mlp.register_forward_hook(lambda _, args, out, n=number: ran.append((n, len(out))))
    parts = [part for part in parts_of(side.reader.model, "attention") if part.layer < 3]
    LesionPass(side, blocks_of(side), reuse=True).read(batch_of([9, 7]), parts)
    # The intact model; what is before the last of the parts by itself; the last block for both.
    assert ran == [(0, 2), (1, 2), (2, 2), (0, 2), (1, 2), (1, 2), (2, 4)]


def test_a_model_whose_blocks_read_from_elsewhere_is_read_whole(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = {
        "num_kv_shared_layers": 1,
        "layer_types": ["sliding_attention", "full_attention", "full_attention"],
    }
    known = FAMILIES["gemma4_text"]
    monkeypatch.setitem(
        FAMILIES, "gemma4_text", replace(known, settings={**known.settings, **shared})
    )
    side = loaded("gemma4_text")
    batch = batch_of([9, 7])
    # The last layer reads the keys that the one before left.
    assert not can_reuse(side, blocks_of(side), batch)
    # Of a prompt of one token nothing is predicted, so that nothing could differ.
    one = batch_of([1])
    assert _shortest([one, batch], decoder=False).longest == 7
    assert not can_reuse(side, blocks_of(side), one)
    parts = parts_of(side.reader.model, "mlp")
    table = LesionPass(side, blocks_of(side), reuse=False).read(batch, parts).to_pylist()
    assert len(table) == 6
    assert all(row["kl"] > 1e-9 for row in table)


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "t5"])
def test_rows_are_those_of_whole_logits(family: str, loaded: Loaded) -> None:
    side = loaded(family)
    model = side.reader.model
    pair = is_pair(family)
    batch = batch_of([9, 7], pair=pair)
    parts = parts_of(model, "mlp")
    table = LesionPass(side, blocks_of(side), reuse=True).read(batch, parts).to_pylist()
    assert len(table) == 2 * len(parts)
    rows = {(r["stack"], r["layer"], r["prompt_id"]): r for r in table}
    for part in parts:
        for item in batch.items:
            row = rows[part.stack, part.layer, item.prompt.id]
            ids = (item.target or ()) if pair else item.ids
            p = _logs(model.module, item)
            with part.change.applied(model):
                q = _logs(model.module, item)
            place = np.arange(len(ids) - 1), list(ids[1:])
            kl = (np.exp(p) * (p - q)).sum(-1)[:-1].mean()
            assert kl > 1e-6
            assert row["kl"] == pytest.approx(kl, abs=1e-6)
            assert row["surprisal_base"] == pytest.approx(-p[place].mean(), abs=1e-5)
            assert row["surprisal"] == pytest.approx(-q[place].mean(), abs=1e-5)


def _logs(module: nn.Module, item: Any) -> np.ndarray:
    inputs = {"input_ids": torch.tensor([item.ids])}
    if item.target is not None:
        inputs["decoder_input_ids"] = torch.tensor([item.target])
    with torch.no_grad():
        logits = module(**inputs).logits[0].double()
    return np.asarray(logits - logits.logsumexp(-1, keepdim=True))


def _nothing(block: Any, kind: str) -> None:
    """Make a part of a Llama's block do nothing."""
    if kind in ("layers", "attention"):
        block.self_attn.o_proj.weight.zero_()
    if kind in ("layers", "mlp"):
        block.mlp.down_proj.weight.zero_()
    if kind == "heads":
        block.self_attn.o_proj.weight[:, :12].zero_()
    if kind == "neurons":
        block.mlp.down_proj.weight[:, 0].zero_()


@pytest.mark.parametrize("kind", ["layers", "attention", "mlp", "heads", "neurons"])
def test_what_does_nothing_is_not_needed(kind: str, loaded: Loaded) -> None:
    side = loaded("llama", lambda model: _nothing(model.model.layers[1], kind))
    parts = [p for p in parts_of(side.reader.model, kind) if p.index in (None, 0)]
    table = LesionPass(side, blocks_of(side), reuse=True).read(batch_of([9, 7]), parts).to_pylist()
    for row in table:
        apart = abs(row["surprisal"] - row["surprisal_base"])
        assert (max(row["kl"], apart) <= 1e-6) == (row["layer"] == 2), row


def test_an_expert_that_no_token_goes_to_is_not_needed(loaded: Loaded) -> None:
    side = loaded("mixtral")
    model = side.reader.model
    chosen: set[int] = set()

    def note(module: nn.Module, args: Any, output: Any) -> None:
        logits = torch.nn.functional.linear(args[0], module.get_parameter("weight"))
        chosen.update(logits.topk(2, -1).indices.flatten().tolist())

    parts = [p for p in parts_of(model, "experts") if p.layer == 2]
    for seed in range(50):
        batch = batch_of([3], seed=seed)
        chosen.clear()
        handle = model.module.model.layers[1].mlp.gate.register_forward_hook(note)
        with torch.inference_mode():
            side.read(batch)
        handle.remove()
        if len(chosen) < len(parts):
            break
    assert 0 < len(chosen) < len(parts) == 4
    table = LesionPass(side, blocks_of(side), reuse=True).read(batch, parts).to_pylist()
    for row in table:
        apart = abs(row["surprisal"] - row["surprisal_base"])
        assert (max(row["kl"], apart) > 1e-6) == (row["index"] in chosen), row


def test_an_encoder_says_why_it_predicts_nothing(loaded: Loaded) -> None:
    side = loaded("bert")
    parts = parts_of(side.reader.model, "layers")
    table = LesionPass(side, blocks_of(side), reuse=True).read(batch_of([9, 7]), parts).to_pylist()
    assert {row["reason"] for row in table} == {"the model has no language-model head"}
    assert {row["kl"] for row in table} == {None}
