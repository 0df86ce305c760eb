"""Every kind of edit on ten families: nothing is left behind, whatever happens meanwhile."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from batches import inputs_for, prompts
from families import FAMILIES, tiny_model

from cortexscope import Change
from cortexscope.errors import UsageError
from cortexscope.interventions import EDITS, parts, vector_text
from cortexscope.testing import check_intervention

_TEN = (
    "gpt2", "llama", "gemma3_text", "bloom", "mixtral",
    "gpt_oss", "bert", "t5", "falcon_h1", "deepseek_v3",
)  # fmt: skip
_QUICK = ("llama", "mixtral")
"""Those that every run of the tests tries."""
_VECTOR = vector_text(np.linspace(-1, 1, 48))
_OF_KIND = {
    "heads": ["=mean"],
    "neurons": ["=mean"],
    "direction": [f"=add:2:{_VECTOR}", f"=out:{_VECTOR}"],
    "threshold": ["0.3", "40%"],
    "weights": ["int3", "bf16", "prune:50%", "wanda:50%", "rank:4"],
}


def _changes(family: str, kind: str) -> list[Change]:
    """Return changes of a kind that the family can have: to zero, and in its other ways."""
    model = tiny_model(family)
    front = "decoder." if FAMILIES[family].kind == "encoder-decoder" else ""
    single = parts(model, kind)
    found = [single[len(single) // 2]] if single else []
    for how in _OF_KIND.get(kind, []):
        if kind in ("heads", "neurons"):
            texts = [f"{single[0]}{how}"] if single else []
        elif kind == "direction":
            texts = [f"direction:{front}2{how}"]
        else:
            # Where the MLP is made of experts, attention alone.
            texts = [f"{kind}:{how}", f"{kind}:attention={how}"]
        for text in texts:
            try:
                Change.of(text).check(model)
            except UsageError:
                continue
            found.append(Change.of(text))
            break
    if front:
        # With two texts to read there are no reference prompts.
        found = [c for c in found if not any(x in str(c) for x in ("mean", "wanda", "%"))]
    return found


@pytest.mark.parametrize("kind", EDITS.names())
@pytest.mark.parametrize(
    "family",
    [
        family if family in _QUICK else pytest.param(family, marks=pytest.mark.slow)
        for family in _TEN
    ],
)
def test_nothing_is_left_of_a_change(family: str, kind: str) -> None:
    model = tiny_model(family)
    inputs = inputs_for(FAMILIES[family], [9, 5])
    reference = prompts([7, 4])
    changes = _changes(family, kind)
    for change in changes:
        check_intervention(change, model, inputs, reference=reference)
    expected = {
        "experts": family in ("mixtral", "gpt_oss", "deepseek_v3"),
        "neurons": family not in ("mixtral", "gpt_oss"),
    }
    assert bool(changes) == expected.get(kind, True)


def test_changes_that_are_nested_act_from_the_outside_in() -> None:
    model = tiny_model("llama")
    inputs = inputs_for(FAMILIES["llama"], [6])
    add, out = f"direction:2=add:3:{_VECTOR}", f"direction:2=out:{_VECTOR}"

    def output(*texts: str) -> torch.Tensor:
        with Change.of(*texts).applied(model), torch.no_grad():
            logits: torch.Tensor = model(**inputs).logits
        return logits

    assert torch.allclose(output(add, out), output(out), atol=1e-5)
    assert not torch.allclose(output(out, add), output(out), atol=1e-2)
    with Change.of(add).applied(model), Change.of(out).applied(model), torch.no_grad():
        nested = model(**inputs).logits
    assert torch.equal(nested, output(add, out))
    with Change.of("weights:int8").applied(model):
        rounded = {name: x.clone() for name, x in model.state_dict().items()}
        with Change.of("weights:int3").applied(model):
            pass
        for name, x in model.state_dict().items():
            assert torch.equal(x, rounded[name])


def test_a_change_comes_before_a_hook_that_was_there_already() -> None:
    model = tiny_model("llama")
    down = model.model.layers[1].mlp.down_proj
    seen: list[torch.Tensor] = []
    handle = down.register_forward_pre_hook(lambda m, args: seen.append(args[0].clone()))
    with Change.of("neurons:2.5").applied(model), torch.no_grad():
        model(**inputs_for(FAMILIES["llama"], [6]))
    handle.remove()
    assert not seen[0][..., 5].any()
    assert seen[0][..., 4].any()


def test_it_works_on_a_model_that_trains_and_leaves_it_training() -> None:
    model = tiny_model("llama").train()
    inputs = inputs_for(FAMILIES["llama"], [6])
    with Change.of("heads:2.1=mean~layers:3").applied(model, reference=prompts([5])):
        assert all(part.training for part in model.modules())
        loss = model(**inputs, labels=inputs["input_ids"]).loss
        loss.backward()
    assert model.model.layers[0].mlp.up_proj.weight.grad.abs().sum() > 0
    assert model.model.layers[2].mlp.up_proj.weight.grad is None
