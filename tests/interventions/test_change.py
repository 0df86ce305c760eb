"""A change as data: its text, and what is said of texts that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from families import tiny_model
from hypothesis import given
from hypothesis import strategies as st

from cortexscope import Change
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.interventions import EDITS, Place, Target, _target, parts, vector_text
from cortexscope.interventions._amount import Amount
from cortexscope.interventions._places import places_of, written
from cortexscope.interventions.heads import Heads
from cortexscope.interventions.layers import Layers

_STACKS = st.sampled_from([None, "encoder", "decoder"])


@given(st.lists(st.builds(Place, st.integers(0, 40), st.none(), _STACKS), min_size=1))
def test_layers_are_read_back_from_their_text(places: list[Place]) -> None:
    assert set(places_of(written(places))) == set(places)


@given(st.lists(st.builds(Place, st.integers(0, 9), st.integers(0, 30), _STACKS), min_size=1))
def test_units_are_read_back_from_their_text(places: list[Place]) -> None:
    text = written(places)
    assert set(places_of(text, units="head")) == set(places)
    assert written(places_of(text, units="head")) == text


@given(st.floats(0, 1, exclude_max=True))
def test_shares_are_read_back_from_their_text(value: float) -> None:
    for amount in (Amount(value, share=True), Amount(value)):
        found = Amount.parse(str(amount))
        assert found is not None
        assert found.share == amount.share
        assert found.value == pytest.approx(value, rel=1e-15, abs=1e-300)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("layers:12", None),
        ("layers:7,5,6", "layers:5-7"),
        ("attention:decoder.3~mlp:encoder.1-2", None),
        ("heads:5.3,5.4=mean", "heads:5.3-4=mean"),
        ("heads:5.3=zero", "heads:5.3"),
        ("heads:5.3=mean:cognitive-study", None),
        ("neurons:3.100-120=from:math-001", None),
        ("experts:2.1,3.1", None),
        ("direction:12=add:-2.5:truth.npy", None),
        ("direction:0,12=out:a_task-b_task@mine.yaml", None),
        ("threshold:0.010", "threshold:0.01"),
        ("threshold:mlp.5-9=40%", None),
        ("weights:int4", None),
        ("weights:all=bf16", "weights:bf16"),
        ("weights:attention.1-3=wanda:50%~weights:mlp=rank:0.5%", None),
    ],
)
def test_each_change_has_one_text(text: str, same: str | None) -> None:
    change = Change.of(text)
    assert str(change) == (same or text)
    assert Change.of(str(change)) == change
    assert hash(Change.of(str(change))) == hash(change)


def test_a_change_is_made_of_texts_edits_and_changes() -> None:
    edits = (Layers((Place(3),)), Heads((Place(2, 1),)))
    change = Change.of("layers:3", Change.of(edits[1]))
    assert change == Change(edits)
    assert change.first_layer == 2


def test_an_array_is_a_vector_that_its_text_holds() -> None:
    text = vector_text(np.linspace(-1, 1, 48))
    assert Change.of(str(Change.of(f"direction:1=out:{text}"))) == Change.of(
        f"direction:1=out:{text}"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("heds:5.3", "no edit 'heds'; did you mean 'heads'"),
        ("layers", "write KIND:WHERE"),
        ("layers:", "names no place"),
        ("layers:3=mean", "needs no '=mean'"),
        ("layers:5-3", "ends before it begins"),
        ("heads:5", "LAYER.HEAD"),
        ("layers:5.3", "LAYER or FIRST-LAST"),
        ("heads:5.3=median", "cannot be set to 'median'"),
        ("heads:5.3=from", "from:PROMPT"),
        ("experts:5.3=mean", "computed together"),
        ("threshold:much", "threshold:0.01"),
        ("threshold:100%", "below 100 %"),
        ("weights:int9", "int8, int4 or int3"),
        ("weights:prune:0%", "int8, int4 or int3"),
        ("weights:rank:0.5", "rank:NUMBER"),
        ("weights:heads=int4", "names no matrices"),
        ("direction:3=add:x:v.npy", "add:SCALE:VECTOR"),
        ("layers:3~", "write KIND:WHERE"),
    ],
)
def test_a_text_that_is_no_change_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Change.of(text)
    with pytest.raises(UsageError):
        Change.of()


@pytest.mark.parametrize(
    ("family", "text", "said"),
    [
        ("llama", "layers:4", "the layers 1 to 3"),
        ("llama", "layers:0", "the layers 1 to 3"),
        ("llama", "layers:encoder.1", "has no encoder"),
        ("t5", "layers:1", "write encoder. or decoder. in front"),
        ("llama", "heads:1.4", "the heads 0 to 3"),
        ("llama", "neurons:1.96", "the neurons 0 to 95"),
        ("llama", "experts:1.0", "it has none"),
        ("mixtral", "experts:1.4", "the experts 0 to 3"),
        ("mixtral", "experts:1.0-2", "1 would be left, and each token is sent to 2"),
        ("mixtral", "neurons:1.0", "made of experts"),
        ("mixtral", "weights:int4", "write attention"),
        ("mixtral", "threshold:0.1", "write attention"),
        ("mamba", "heads:1.0", "no softmax attention"),
        ("mamba", "attention:1", "no softmax attention"),
        ("mamba", "mlp:1", "no part was found"),
        ("mamba", "threshold:0.1", "none were found"),
        ("xlnet", "heads:1.0", "no output matrix was found"),
        ("albert", "layers:2", "share one module"),
        ("llama", "weights:int4~weights:mlp.2=int3", "both weights:int4 and weights:mlp.2=int3"),
        ("llama", f"direction:1=out:{vector_text(np.ones(7))}", "7 numbers and the state has 48"),
        ("llama", "direction:1=out:no-such-file.npy", "cannot be read"),
        ("llama", "direction:1=out:math", "cannot be read"),
    ],
)
def test_what_cannot_be_done_truly_is_refused_with_the_reason(
    family: str, text: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        Change.of(text).check(tiny_model(family))


def test_keys_that_other_layers_read_are_not_taken_away() -> None:
    model = tiny_model(
        "gemma4_text",
        num_hidden_layers=4,
        num_kv_shared_layers=2,
        layer_types=["sliding_attention", "full_attention"] * 2,
    )
    for text in ("layers:1", "attention:2"):
        with pytest.raises(UsageError, match="later layers read the keys and values"):
            Change.of(text).check(model)
    assert [str(part) for part in parts(model, "layers")] == ["layers:3", "layers:4"]
    Change.of("heads:1.0~mlp:2").check(model)


def test_parts_are_all_that_can_be_taken_out() -> None:
    model = tiny_model("mixtral")
    counts = {kind: len(parts(model, kind)) for kind in EDITS.names()}
    assert counts == {
        "layers": 3,
        "attention": 3,
        "mlp": 3,
        "heads": 12,
        "neurons": 0,
        "experts": 12,
        "direction": 0,
        "threshold": 0,
        "weights": 0,
    }
    assert [str(part) for part in parts(model, "experts")][4:6] == ["experts:2.0", "experts:2.1"]
    with pytest.raises(UnknownNameError, match="did you mean 'layers'"):
        parts(model, "layer")


def test_parts_of_a_target_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = tiny_model("llama"), torch.arange(9)[None]
    target, change = Target.of(model), Change.of("mlp:2")
    with torch.no_grad(), change.applied(model):
        wanted = model(ids).logits
    monkeypatch.delattr(_target, "find_anatomy")
    with torch.no_grad(), change.applied(target):
        assert torch.equal(model(ids).logits, wanted)
    with torch.no_grad():
        assert not torch.equal(model(ids).logits, wanted)


def test_a_kind_is_one_file_and_one_row() -> None:
    room = Path(str(__import__("cortexscope.interventions").interventions.__file__)).parent
    files = {path.stem for path in room.glob("[a-z]*.py")}
    assert files == set(EDITS.names())
    for name in EDITS.names():
        assert EDITS.load(name).kind == name
