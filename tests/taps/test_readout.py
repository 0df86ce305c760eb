"""Logits of any states by a model's own head: for every family, and without a trace."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from batches import inputs_for
from families import FAMILIES, tiny_model
from masked import masked_model
from torch import Tensor, nn

from cortexscope.measure import attach
from cortexscope.models import find_anatomy
from cortexscope.taps import _readout, _unembedding
from cortexscope.taps._readout import NO_HEAD, Readout, ReadoutError

pytestmark = pytest.mark.usefixtures("one_thread")

# Offered as an encoder, and for no masked modelling.
HEADLESS = ("xlnet",)


def with_head(family: str) -> Any:
    return masked_model(family) if FAMILIES[family].kind == "encoder" else tiny_model(family)


def states_and_logits(model: Any, family: str) -> tuple[Tensor, Tensor]:
    """Return the backbone's output of one prompt, and the model's own logits."""
    anatomy = find_anatomy(model)
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: object, output: Any) -> None:
        kept.append(output[0])

    handle = model.get_submodule(anatomy.stacks[-1].backbone).register_forward_hook(keep)
    with torch.no_grad():
        logits = model(**inputs_for(FAMILIES[family], [8])).logits[0]
    handle.remove()
    return kept[0][0], logits


def read(model: Any, states: Tensor) -> Tensor:
    readout = Readout(model, find_anatomy(model))
    with torch.no_grad():
        pieces = [part for _, part in readout.scores(readout.inputs(states))]
    return torch.cat(pieces, -1)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in HEADLESS])
def test_logits_are_the_models_own(family: str) -> None:
    model = with_head(family)
    states, logits = states_and_logits(model, family)
    torch.testing.assert_close(read(model, states), logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gemma2", "granite", "t5", "mamba"])
def test_half_precision_is_read_in_float32(family: str) -> None:
    model = with_head(family).bfloat16()
    states, logits = states_and_logits(model, family)
    found = read(model, states)
    assert found.dtype == torch.float32
    # A bfloat16 has 8 bits: the model rounds every logit, the readout none.
    assert (found - logits.float()).abs().max() < 0.01 * logits.abs().max()


@pytest.mark.parametrize(
    ("family", "setting", "value"),
    [
        ("gemma2", "final_logit_softcapping", 2.0),
        ("recurrent_gemma", "logits_soft_cap", 2.0),
        ("cohere2", "logit_scale", 3.0),
        ("granite", "logits_scaling", 7.0),
        ("falcon_h1", "lm_head_multiplier", 0.2),
    ],
)
def test_what_comes_after_the_unembedding_is_done(family: str, setting: str, value: float) -> None:
    settings: dict[str, Any] = {setting: value}
    model = tiny_model(family, **settings)
    states, logits = states_and_logits(model, family)
    found = read(model, states)
    torch.testing.assert_close(found, logits, rtol=1e-5, atol=1e-5)
    raw = model.get_output_embeddings()(states)
    assert not torch.allclose(found, raw, rtol=0.1)


def test_a_bias_of_the_logits_is_added() -> None:
    model = tiny_model("marian")
    model.final_logits_bias.normal_()
    states, logits = states_and_logits(model, "marian")
    torch.testing.assert_close(read(model, states), logits, rtol=1e-5, atol=1e-5)


def test_a_head_that_is_not_understood_is_refused() -> None:
    model = tiny_model("llama")
    states, _ = states_and_logits(model, "llama")
    plain = type(model).forward

    class Odd(type(model)):  # type: ignore[misc]
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            output = plain(self, *args, **kwargs)
            output.logits = output.logits**3
            return output

    model.__class__ = Odd
    with pytest.raises(ReadoutError, match="after its unembedding is not known"):
        read(model, states)
    with attach(model, metrics=["token_entropy", "lens_kl"]) as probe, torch.no_grad():
        model(**inputs_for(FAMILIES["llama"], [9]))
    frame = probe.frame()
    assert frame["value"].isna().all()
    assert set(frame["reason"]) == {"what it does after its unembedding is not known"}


def test_a_model_without_a_head_says_so() -> None:
    model = tiny_model("bert")
    with pytest.raises(ReadoutError, match=NO_HEAD):
        Readout(model, find_anatomy(model)).inputs(torch.zeros(1, 48))


def test_a_head_inside_the_backbone_is_refused() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

        def forward(self, x: Tensor) -> Tensor:
            more: Tensor = self.down(self.up(x).relu())
            return x + more

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(30, 8)
            self.blocks = nn.ModuleList([Block(), Block()])
            self.head = nn.Linear(8, 30)

        def forward(self, ids: Tensor) -> Tensor:
            x = self.embedding(ids)
            for block in self.blocks:
                x = block(x)
            out: Tensor = self.head(x)
            return out

    model = Whole()
    with pytest.raises(ReadoutError, match="not called behind its backbone"):
        Readout(model, find_anatomy(model)).inputs(torch.zeros(1, 8))


class Closed(nn.Module):
    """An unembedding whose matrix cannot be read, as a quantised one's."""

    def __init__(self, inner: nn.Linear) -> None:
        super().__init__()
        self.inner = (inner,)
        self.out_features = inner.out_features

    def forward(self, states: Tensor) -> Tensor:
        out: Tensor = self.inner[0](states)
        return out


def test_an_unembedding_that_shows_no_matrix_is_called_itself() -> None:
    model = tiny_model("llama")
    states, logits = states_and_logits(model, "llama")
    model.lm_head = Closed(model.lm_head)
    torch.testing.assert_close(read(model, states), logits, rtol=1e-6, atol=1e-6)
    readout = Readout(model, find_anatomy(model))
    tokens = torch.arange(8)
    with torch.no_grad():
        one = readout.of(readout.inputs(states), tokens)
    torch.testing.assert_close(one, logits[tokens, tokens], rtol=1e-6, atol=1e-6)


@pytest.fixture
def few_entries(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(_unembedding, "_ENTRIES", 1000)
    monkeypatch.setattr(_readout, "_WHOLE", 1000)
    monkeypatch.setattr(_readout, "_ROWS", 5)
    return 1000


@pytest.mark.parametrize("closed", [False, True])
def test_pieces_stay_small_and_change_nothing(few_entries: int, closed: bool) -> None:
    model = tiny_model("llama")
    states, logits = states_and_logits(model, "llama")
    if closed:
        model.lm_head = Closed(model.lm_head)
    readout = Readout(model, find_anatomy(model))
    with torch.no_grad():
        inputs = readout.inputs(states)
        some = inputs[: readout.rows]
        pieces = list(readout.scores(some))
    assert len(some) < len(inputs)
    assert all(part.numel() <= few_entries for _, part in pieces)
    assert len(pieces) == 1 if closed else len(pieces) > 1
    assert [start for start, _ in pieces] == [
        sum(part.shape[1] for _, part in pieces[:number]) for number in range(len(pieces))
    ]
    found = torch.cat([part for _, part in pieces], -1)
    torch.testing.assert_close(found, logits[: len(some)], rtol=1e-5, atol=1e-5)


def modules_of(model: nn.Module) -> list[tuple[str, int]]:
    return [(path, id(part)) for path, part in model.named_modules()]


@pytest.mark.parametrize("family", ["llama", "t5", "bart", "opt"])
def test_no_hook_is_called_and_nothing_stays(family: str) -> None:
    model = tiny_model(family)
    states, _ = states_and_logits(model, family)
    before = modules_of(model)
    called: list[str] = []

    def note(module: nn.Module, args: object) -> None:
        called.append(type(module).__name__)

    for part in model.modules():
        part.register_forward_pre_hook(note)
    read(model, states)
    assert called == []
    assert modules_of(model) == before


def test_nothing_stays_after_an_error() -> None:
    model = tiny_model("llama")
    states, _ = states_and_logits(model, "llama")
    before = modules_of(model)
    with pytest.raises(ReadoutError, match="does not run on states alone"):
        read(model, states[:, :-1])
    assert modules_of(model) == before
