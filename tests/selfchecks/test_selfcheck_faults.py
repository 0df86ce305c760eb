"""Selfcheck finds each fault that is planted, and names the check and the layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from families import tiny_model
from torch import Tensor, nn

from cortexscope.models import Anatomy, find_anatomy
from cortexscope.records import Finding
from cortexscope.selfchecks import selfcheck
from cortexscope.taps import AttentionRows, HiddenStates, Routing, Tokens
from cortexscope.taps._attention_mode import AttentionMode
from cortexscope.taps._place import Place
from cortexscope.taps._stack import StackWatch
from cortexscope.taps._statistics import Rows, Statistics

# Any, since what is changed are names that these modules only use.
mode_module: Any = import_module("cortexscope.taps._attention_mode")
mask_module: Any = import_module("cortexscope.taps._mask")
subject_module: Any = import_module("cortexscope.selfchecks._subject")

Plant = Callable[[pytest.MonkeyPatch], None]

FAMILIES = ("llama", "mistral", "bert", "t5")


def failures(model: nn.Module) -> dict[str, Finding]:
    return {found.check: found for found in selfcheck(model) if found.passed is False}


def plant_rows(patch: pytest.MonkeyPatch, change: Callable[..., tuple[Statistics, Tensor]]) -> None:
    """Change what reaches the tap of every attention."""
    attention = StackWatch.attention

    def changed(self: StackWatch, rows: Statistics, visible: Tensor, whole: Rows) -> None:
        attention(self, *change(rows, visible), whole)

    patch.setattr(StackWatch, "attention", changed)


def heads_turned(patch: pytest.MonkeyPatch) -> None:
    def change(rows: Statistics, visible: Tensor) -> tuple[Statistics, Tensor]:
        return {name: x.flip(1) for name, x in rows.items()}, visible

    plant_rows(patch, change)


def one_key_too_many(patch: pytest.MonkeyPatch) -> None:
    plant_rows(patch, lambda rows, visible: (rows, visible + 1))


def scaled(patch: pytest.MonkeyPatch) -> None:
    """Take the scores for 1.2 times as large as they are."""
    rows, softmax = mode_module.whole_rows, mode_module.rows_of_scores
    compiled = mode_module.native_rows
    patch.setattr(mode_module, "small", lambda keys: True)
    patch.setattr(
        mode_module,
        "native_rows",
        lambda query, key, mask, scale, *wanted: compiled(query, key, mask, 1.2 * scale, *wanted),
    )
    patch.setattr(
        mode_module,
        "whole_rows",
        lambda query, key, mask, scale, queries, **options: rows(
            query, key, mask, 1.2 * scale, queries, **options
        ),
    )
    patch.setattr(
        mode_module,
        "rows_of_scores",
        lambda scores, result, wanted, **options: softmax(
            1.2 * scores, torch.softmax(1.2 * scores, -1), wanted, **options
        ),
    )


def plant_shown(
    patch: pytest.MonkeyPatch, change: Callable[[Any], Any], tokens: Callable[[Tensor], Tensor]
) -> None:
    """Change what the tap shows, and what it takes for tokens."""
    made = StackWatch.__init__

    def make(self: StackWatch, *arguments: Any, begin: Any, show: Any, **options: Any) -> None:
        made(
            self,
            *arguments,
            begin=lambda watch, real: begin(watch, tokens(real)),
            show=lambda site, seen: show(site, change(seen)),
            **options,
        )

    patch.setattr(StackWatch, "__init__", make)


def padding_counted(patch: pytest.MonkeyPatch) -> None:
    def change(seen: Any) -> Any:
        if type(seen) is HiddenStates:
            return HiddenStates(seen.values, Tokens(torch.ones_like(seen.tokens)))
        if isinstance(seen, AttentionRows):
            every = Tokens(torch.ones_like(seen.tokens))
            return AttentionRows(every, seen.visible, seen.statistics)
        if isinstance(seen, Routing):
            return dataclasses.replace(seen, tokens=torch.ones_like(seen.tokens))
        return seen

    plant_shown(patch, change, torch.ones_like)


def a_layer_off(patch: pytest.MonkeyPatch) -> None:
    """Show each block's input as its output."""
    show = StackWatch._hidden
    before: dict[StackWatch, Any] = {}

    def shown(self: StackWatch, layer: int | None, states: Any) -> None:
        last = before.get(self, states)
        before[self] = states
        show(self, layer, last if layer else states)

    patch.setattr(StackWatch, "_hidden", shown)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("plant", "check"),
    [
        (heads_turned, "attention entropy"),
        (heads_turned, "eager attention"),
        (one_key_too_many, "visible keys"),
        (scaled, "attention entropy"),
        (scaled, "eager attention"),
        (padding_counted, "padding right"),
        (a_layer_off, "hidden states"),
    ],
)
def test_a_fault_is_found(
    family: str, plant: Plant, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(family)
    plant(monkeypatch)
    found = failures(model)
    assert check in found
    # What counts padding has no layer; anything else begins in the first.
    assert found[check].layer == (None if plant is padding_counted else 1)


def plant_mask(patch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]) -> None:
    """Let the tap misread the masks of the fused attention."""
    read = mask_module.read_mask

    def misread(mask: Tensor | None, **options: Any) -> Any:
        if mask is None:
            ones = torch.ones(options["queries"], options["keys"], dtype=torch.bool)
            mask = ones.tril() if options["causal"] else ones
            options["causal"] = False
        if mask.dtype != torch.bool:
            mask = mask > mask.amax(-1, keepdim=True) - 1e4
        return read(change(mask), **options)

    patch.setattr(mask_module, "read_mask", misread)
    # The model itself still gets its own mask.
    patch.setattr(mode_module, "small", lambda keys: True)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_a_swapped_mask_is_found(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_mask(monkeypatch, lambda mask: mask.transpose(-1, -2))
    found = failures(tiny_model(family))
    assert {"attention entropy", "eager attention", "visible keys"} <= set(found)
    assert found["visible keys"].layer == 1
    assert "outputs unchanged" not in found


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "mistral", "bert"])
def test_an_inverted_mask_is_found(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_mask(monkeypatch, lambda mask: ~mask)
    assert {"visible keys", "eager attention"} <= set(failures(tiny_model(family)))


@pytest.mark.slow
def test_an_ignored_window_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_mask(monkeypatch, lambda mask: mask | mask.flip(-1).cumsum(-1).flip(-1).bool())
    found = failures(tiny_model("mistral"))
    assert {"visible keys", "eager attention"} <= set(found)


def swap_blocks(anatomy: Anatomy) -> Anatomy:
    first, second, *rest = anatomy.stacks[0].blocks
    stack = dataclasses.replace(anatomy.stacks[0], blocks=(second, first, *rest))
    return dataclasses.replace(anatomy, stacks=(stack, *anatomy.stacks[1:]))


def forget_a_block(anatomy: Anatomy) -> Anatomy:
    stack = dataclasses.replace(anatomy.stacks[0], blocks=anatomy.stacks[0].blocks[:-1])
    return dataclasses.replace(anatomy, stacks=(stack, *anatomy.stacks[1:]))


def take_another_mlp(anatomy: Anatomy) -> Anatomy:
    first, second, *rest = anatomy.stacks[0].blocks
    wrong = dataclasses.replace(second, neurons=None)
    stack = dataclasses.replace(anatomy.stacks[0], blocks=(first, wrong, *rest))
    return dataclasses.replace(anatomy, stacks=(stack, *anatomy.stacks[1:]))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("change", [swap_blocks, forget_a_block])
def test_a_wrong_order_or_number_of_blocks_is_found(
    family: str, change: Callable[[Anatomy], Anatomy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject_module, "find_anatomy", lambda module: change(find_anatomy(module)))
    found = failures(tiny_model(family))["block order"]
    assert found.layer == (1 if change is swap_blocks else None)
    assert found.stack == ("decoder" if family in ("llama", "mistral") else "encoder")


@pytest.mark.slow
def test_a_part_that_is_missing_from_one_block_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        subject_module, "find_anatomy", lambda module: take_another_mlp(find_anatomy(module))
    )
    found = failures(tiny_model("llama"))
    assert list(found) == ["residual stream"]
    assert found["residual stream"].layer == 2


class Decoy(nn.Module):
    """An MLP that also computes a softmax over the scores of its tokens, and throws it away."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        scores = (x @ x.mT)[:, None].expand(-1, 4, -1, -1)
        scores = scores.masked_fill(~torch.ones_like(scores).tril().bool(), -torch.inf)
        torch.softmax(scores, -1)
        result: Tensor = self.inner(x)
        return result


@pytest.mark.slow
def test_a_softmax_elsewhere_is_no_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = tiny_model("llama")
    model.model.layers[1].mlp = Decoy(model.model.layers[1].mlp)
    place = StackWatch.place

    def elsewhere(self: StackWatch) -> Place | None:
        if self.layer != 2:
            return place(self)
        if self._inside is None or self._part == "self":
            return None
        mask = self._inside.mask
        return Place(mask, head_after_query=False, cross=False, sink=False, sample=None)

    with monkeypatch.context() as patch:
        patch.setattr(StackWatch, "place", elsewhere)
        found = failures(model)
    assert {"eager attention", "attention replaced", "nothing unseen"} <= set(found)
    assert found["eager attention"].layer == found["attention replaced"].layer == 2
    assert not failures(model)


@pytest.mark.slow
def test_attention_that_is_not_seen_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    place = StackWatch.place
    monkeypatch.setattr(StackWatch, "place", lambda self: None if self.layer == 3 else place(self))
    found = failures(tiny_model("llama"))
    assert found["eager attention"].layer == 3


@pytest.mark.slow
def test_attention_that_is_nowhere_seen_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StackWatch, "place", lambda self: None)
    found = failures(tiny_model("llama"))
    assert (found["eager attention"].stack, found["eager attention"].layer) == ("decoder", 1)


@pytest.mark.slow
def test_another_way_between_tokens_is_found() -> None:
    model: Any = tiny_model("llama")

    class Leaking(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.inner(x + x[:, :1])
            return result

    model.model.layers[1].mlp = Leaking(model.model.layers[1].mlp)
    assert list(failures(model)) == ["nothing unseen"]


@pytest.mark.slow
def test_a_probe_that_changes_the_output_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    attend = AttentionMode._scaled_dot_product_attention

    def nudged(self: AttentionMode, place: Place, *args: Any, **options: Any) -> Tensor:
        return attend(self, place, *args, **options) * (1 + 1e-6)

    monkeypatch.setattr(AttentionMode, "_scaled_dot_product_attention", nudged)
    assert "outputs unchanged" in failures(tiny_model("llama"))


@pytest.mark.slow
def test_experts_in_another_order_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(seen: Any) -> Any:
        if isinstance(seen, Routing) and seen.probabilities is not None:
            return dataclasses.replace(seen, probabilities=seen.probabilities.roll(1, -1))
        return seen

    plant_shown(monkeypatch, change, lambda tokens: tokens)
    found = failures(tiny_model("mixtral"))
    assert set(found) == {"router scores", "chosen experts"}
    assert found["router scores"].layer == 1
