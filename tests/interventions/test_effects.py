"""What each kind of edit does, against plain computations: other weights, hooks, whole matrices."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from batches import inputs_for, prompts
from eager import eager
from families import FAMILIES, tiny_model
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cortexscope import Change
from cortexscope.interventions import Place, vector_text
from cortexscope.interventions._reducing import low_rank, pruned, rounded
from cortexscope.interventions._target import Target
from cortexscope.interventions.heads import share_of_key_head
from cortexscope.taps import SOFTMAXES

_FAMILIES = ("gpt2", "llama", "gemma3_text", "bloom", "bert")


def _logits(model: Any, family: str = "llama", *texts: str) -> Tensor:
    inputs = inputs_for(FAMILIES[family], [9, 5])
    reference = prompts([7, 4])
    with torch.no_grad():
        if not texts:
            found = model(**inputs)
        else:
            with Change.of(*texts).applied(model, reference=reference):
                found = model(**inputs)
    logits: Tensor = found.last_hidden_state if family == "bert" else found.logits
    return logits


def _copy(model: Any) -> Any:
    return copy.deepcopy(model)


def _states(model: Any, family: str) -> Sequence[Tensor]:
    with torch.no_grad():
        found = model(**inputs_for(FAMILIES[family], [9, 5]), output_hidden_states=True)
    states: Sequence[Tensor] = found.hidden_states
    return states


_OUTPUT = {
    "gpt2": ("transformer.h.1", "attn.c_proj", "mlp.c_proj"),
    "llama": ("model.layers.1", "self_attn.o_proj", "mlp.down_proj"),
    "gemma3_text": ("model.layers.1", "self_attn.o_proj", "mlp.down_proj"),
    "bloom": ("transformer.h.1", "self_attention.dense", "mlp.dense_4h_to_h"),
    "bert": ("encoder.layer.1", "attention.output.dense", "output.dense"),
}
"""Of each family the second block, the output matrix of attention and the down projection."""


@pytest.mark.parametrize("family", _FAMILIES)
def test_a_branch_taken_out_is_one_whose_last_matrix_is_zero(family: str) -> None:
    block, attention, mlp = _OUTPUT[family]
    model = tiny_model(family)
    for kind, path in (("attention", attention), ("mlp", mlp)):
        twin = _copy(model)
        matrix = twin.get_submodule(f"{block}.{path}")
        with torch.no_grad():
            for parameter in matrix.parameters():
                parameter.zero_()
        torch.testing.assert_close(_logits(model, family, f"{kind}:2"), _logits(twin, family))
        assert not torch.allclose(_logits(model, family, f"{kind}:2"), _logits(model, family))


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_layer_taken_out_is_a_model_without_that_block(family: str) -> None:
    model = tiny_model(family)
    twin = _copy(model)
    blocks = twin.transformer.h if family == "gpt2" else twin.model.layers
    del blocks[1]
    twin.config.num_hidden_layers = 2
    # The blocks still number the entries of their memory as before.
    model.config.use_cache = twin.config.use_cache = False
    assert torch.equal(_logits(model, family, "layers:2"), _logits(twin, family))


def test_a_layer_taken_out_gives_the_state_it_was_given() -> None:
    for family in ("mamba", "bert", "bloom"):
        model = tiny_model(family)
        with Change.of("layers:2").applied(model):
            states = _states(model, family)
        # Mamba returns no embedding output.
        after = 2 if FAMILIES[family].embedded else 1
        assert torch.equal(states[after], states[after - 1])


class _Silent(TorchFunctionMode):
    """Sets the attention of one head of the second block to zero."""

    def __init__(self, head: int) -> None:
        super().__init__()
        self._head, self._calls = head, 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if func in SOFTMAXES and found.dim() == 4:
            self._calls += 1
            if self._calls == 2:
                found = found.clone()
                found[:, self._head] = 0
        return found


@pytest.mark.parametrize("family", _FAMILIES)
@pytest.mark.parametrize("head", [0, 3])
def test_a_silent_head_is_one_that_attends_to_nothing(family: str, head: int) -> None:
    model = tiny_model(family)
    twin = eager(model, double=False)
    with _Silent(head):
        wanted = _logits(twin, family)
    torch.testing.assert_close(_logits(model, family, f"heads:2.{head}"), wanted, atol=1e-4, rtol=0)
    assert not torch.allclose(wanted, _logits(model, family), atol=1e-2)


def test_a_neuron_taken_out_is_a_column_of_zeros() -> None:
    model = tiny_model("llama")
    twin = _copy(model)
    with torch.no_grad():
        twin.model.layers[1].mlp.down_proj.weight[:, 7:10] = 0
    torch.testing.assert_close(_logits(model, "llama", "neurons:2.7-9"), _logits(twin))


def _inputs_of(model: Any, path: str, rows: list[list[int]]) -> list[np.ndarray]:
    """Return what a matrix reads of each text, [token, feature]."""
    seen: list[np.ndarray] = []
    handle = model.get_submodule(path).register_forward_pre_hook(
        lambda m, args: seen.append(args[0][0].double().numpy())
    )
    with torch.no_grad():
        for row in rows:
            model(torch.tensor([row]))
    handle.remove()
    return seen


def test_mean_is_over_all_tokens_of_the_reference() -> None:
    model = tiny_model("llama")
    path = "model.layers.1.self_attn.o_proj"
    mean = np.concatenate(_inputs_of(model, path, prompts([7, 4]))).mean(0)[12:24]

    def put(module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        changed = args[0].clone()
        changed[..., 12:24] = torch.from_numpy(mean).float()
        return (changed,)

    twin = _copy(model)
    twin.get_submodule(path).register_forward_pre_hook(put)
    torch.testing.assert_close(_logits(model, "llama", "heads:2.1=mean"), _logits(twin))


def test_heads_say_whose_keys_they_share() -> None:
    llama = Target.of(tiny_model("qwen2"))
    assert [share_of_key_head(llama, Place(1, head)) for head in range(4)] == [
        (0, 2), (0, 2), (1, 2), (1, 2)
    ]  # fmt: skip
    assert share_of_key_head(Target.of(tiny_model("gpt2")), Place(1, 3)) == (3, 1)


_MOE = ("mixtral", "qwen2_moe", "olmoe", "gpt_oss", "deepseek_v3", "llama4_text", "jamba")


def _smaller(model: Any, family: str, layer: int, gone: int) -> Any:
    """Return the same model with one expert less in a layer: rows of router and experts deleted."""
    twin = _copy(model)
    blocks = twin.get_submodule(FAMILIES[family].blocks if "." in FAMILIES[family].blocks
                                else f"model.{FAMILIES[family].blocks}")  # fmt: skip
    around = blocks[layer - 1].get_submodule(FAMILIES[family].experts.mlp)  # type: ignore[union-attr]
    count = around.experts.gate_up_proj.shape[0]
    kept = [number for number in range(count) if number != gone]
    for part in around.modules():
        for table in (part._parameters, part._buffers):
            for name, tensor in list(table.items()):
                if tensor is not None and tensor.dim() and tensor.shape[0] == count:
                    new = tensor.detach()[kept].clone()
                    table[name] = nn.Parameter(new) if table is part._parameters else new
        for name in ("num_experts", "num_local_experts", "n_routed_experts", "out_features"):
            if getattr(part, name, None) == count:
                setattr(part, name, count - 1)
    return twin


@pytest.mark.parametrize("family", _MOE)
@pytest.mark.parametrize("gone", [0, 3])
def test_an_expert_taken_out_is_a_model_that_never_had_it(family: str, gone: int) -> None:
    settings = {"n_group": 1, "topk_group": 1} if family == "deepseek_v3" else {}
    model = tiny_model(family, **settings)
    with torch.no_grad():
        twin = _smaller(model, family, 2, gone)
    wanted = _logits(twin, family)
    found = _logits(model, family, f"experts:2.{gone}")
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("bits", [8, 4, 3])
@pytest.mark.parametrize("inputs", [256, 200])
def test_rounding_is_to_the_nearest_step_of_each_group(bits: int, inputs: int) -> None:
    weight = torch.randn(5, inputs, generator=torch.Generator().manual_seed(0))
    weight[2, :128] = 0
    found = rounded(weight, bits=bits).double().numpy()
    most = 2 ** (bits - 1) - 1
    for row, got in zip(weight.double().numpy(), found, strict=True):
        for start in range(0, inputs, 128):
            part, other = row[start : start + 128], got[start : start + 128]
            scale = np.abs(part).max() / most
            steps = np.arange(-most, most + 1) * scale
            nearest = steps[np.abs(part[:, None] - steps).argmin(1)]
            np.testing.assert_allclose(other, nearest, atol=1e-6)


def test_pruning_takes_the_least_weights() -> None:
    generator = torch.Generator().manual_seed(1)
    weight, norms = torch.randn(6, 10, generator=generator), torch.rand(10, generator=generator)
    by_size = pruned(weight, share=0.5)
    assert int((by_size == 0).sum()) == 30
    assert by_size[by_size != 0].abs().min() > weight[by_size == 0].abs().max()
    wanda = pruned(weight, share=0.4, norms=norms)
    scores = weight.abs().numpy() * norms.numpy()
    for row, score in zip(wanda.numpy(), scores, strict=True):
        assert set(np.flatnonzero(row == 0)) == set(np.argsort(score)[:4])


def test_low_rank_is_the_nearest_matrix_of_that_rank() -> None:
    weight = torch.randn(7, 9, generator=torch.Generator().manual_seed(2))
    left, values, right = np.linalg.svd(weight.double().numpy(), full_matrices=False)
    wanted = (left[:, :3] * values[:3]) @ right[:3]
    np.testing.assert_allclose(low_rank(weight, rank=3).numpy(), wanted, atol=1e-5)
    assert torch.equal(low_rank(weight, rank=7), weight)


def test_weights_are_made_coarser_along_their_inputs_whichever_way_they_are_kept() -> None:
    for family, path in (
        ("gpt2", "transformer.h.1.mlp.c_fc"),
        ("llama", "model.layers.1.mlp.up_proj"),
    ):
        model = tiny_model(family)
        matrix = model.get_submodule(path)
        rows = matrix.weight.T if family == "gpt2" else matrix.weight
        norms = np.linalg.norm(np.concatenate(_inputs_of(model, path, prompts([7, 4]))), axis=0)
        wanted = {
            "int3": rounded(rows, bits=3),
            "wanda:50%": pruned(rows, share=0.5, norms=torch.from_numpy(norms)),
            "rank:5": low_rank(rows, rank=5),
            "bf16": rows.bfloat16().float(),
        }
        embedding = model.get_input_embeddings().weight.clone()
        for how, matrix_wanted in wanted.items():
            change = Change.of(f"weights:mlp.2={how}")
            with change.applied(model, reference=prompts([7, 4])):
                now = matrix.weight.T if family == "gpt2" else matrix.weight
                torch.testing.assert_close(now, matrix_wanted)
                assert torch.equal(model.get_input_embeddings().weight, embedding)


def test_coarser_weights_change_more_the_fewer_bits_they_have() -> None:
    model = tiny_model("llama")
    intact = _logits(model).log_softmax(-1)
    moved = []
    for how in ("bf16", "int8", "int4", "int3"):
        other = _logits(model, "llama", f"weights:{how}").log_softmax(-1)
        moved.append(float((intact.exp() * (intact - other)).sum(-1).mean()))
    assert moved == sorted(moved)
    assert moved[0] > 0


def test_a_threshold_is_the_share_of_what_each_matrix_reads() -> None:
    model = tiny_model("llama")
    path = "model.layers.1.mlp.down_proj"
    entries = np.abs(np.concatenate(_inputs_of(model, path, prompts([40, 30]))))
    with Change.of("threshold:40%").applied(model, reference=prompts([40, 30])):
        cut: list[Tensor] = []
        handle = model.get_submodule(path).register_forward_pre_hook(
            lambda m, args: cut.append(args[0])
        )
        with torch.no_grad():
            for row in prompts([40, 30]):
                model(torch.tensor([row]))
        handle.remove()
    share = np.mean([float((x == 0).double().mean()) for x in cut])
    assert share == pytest.approx(0.4, abs=0.05)
    with Change.of(f"threshold:mlp.2={np.quantile(entries, 0.3)}").applied(model):
        got = np.concatenate(_inputs_of(model, path, prompts([40, 30])))
    assert (got == 0).mean() == pytest.approx(0.3, abs=0.05)


def test_a_direction_is_added_or_gone_in_the_state_of_its_layer() -> None:
    model = tiny_model("llama")
    vector = np.random.default_rng(0).normal(size=48).astype(np.float32)
    text = vector_text(vector)
    plain = _states(model, "llama")
    for layer in (0, 2):
        with Change.of(f"direction:{layer}=add:2.5:{text}").applied(model):
            added = _states(model, "llama")[layer]
        torch.testing.assert_close(added, plain[layer] + 2.5 * torch.from_numpy(vector))
        with Change.of(f"direction:{layer}=out:{text}").applied(model):
            out = _states(model, "llama")[layer].double().numpy()
        unit = vector.astype(np.float64) / np.linalg.norm(vector.astype(np.float64))
        states = plain[layer].double().numpy()
        np.testing.assert_allclose(out, states - (states @ unit)[..., None] * unit, atol=1e-5)


def test_parts_that_do_nothing_have_no_effect() -> None:
    model: Any = tiny_model("mixtral")
    with torch.no_grad():
        block = model.model.layers[1]
        block.self_attn.o_proj.weight[:, 12:24] = 0
        model.model.layers[2].self_attn.o_proj.weight.zero_()
        model.model.layers[2].mlp.experts.down_proj.zero_()
        block.mlp.gate.weight[3] = -1e3 * block.mlp.gate.weight[:3].sum(0)
        used = Change.of("experts:2.3")
    plain = _logits(model, "mixtral")
    for text in ("heads:2.1", "layers:3", "attention:3", "mlp:3"):
        assert (_logits(model, "mixtral", text) - plain).abs().max() <= 1e-6, text
    assert used.first_layer == 2
    dense: Any = tiny_model("llama")
    with torch.no_grad():
        dense.model.layers[1].mlp.down_proj.weight[:, 7] = 0
    assert (_logits(dense, "llama", "neurons:2.7") - _logits(dense)).abs().max() <= 1e-6


def test_an_expert_that_is_never_chosen_has_no_effect() -> None:
    model: Any = tiny_model("gpt_oss")
    with torch.no_grad():
        model.model.layers[1].mlp.router.bias[3] = -1e4
    moved = _logits(model, "gpt_oss", "experts:2.3") - _logits(model, "gpt_oss")
    assert moved.abs().max() <= 1e-6
