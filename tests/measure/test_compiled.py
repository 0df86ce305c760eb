"""Code that torch.compile made of a model, or around it: measured like the model itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
import torch
from batches import prompts
from families import tiny_model
from torch import Tensor
from torch._dynamo import eval_frame
from transformers import PreTrainedModel

from cortexscope.errors import UnsupportedModelError, UsageError
from cortexscope.measure import attach

IDS = torch.tensor(prompts([9, 9]))
Step = Callable[[Tensor], Any]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


class Compiled:
    """A backend that counts what it compiles, and how often that runs."""

    def __init__(self) -> None:
        self.graphs = self.runs = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: object) -> Callable[..., Any]:
        self.graphs += 1

        def run(*args: Any) -> Any:
            self.runs += 1
            return graph.forward(*args)

        return run


def around(model: PreTrainedModel, backend: Compiled) -> Step:
    step: Step = torch.compile(lambda ids: model(input_ids=ids).logits, backend=backend)
    return step


def around_whole(model: PreTrainedModel, backend: Compiled) -> Step:
    def call(ids: Tensor) -> Tensor:
        logits: Tensor = model(input_ids=ids, use_cache=False).logits
        return logits

    step: Step = torch.compile(call, backend=backend, fullgraph=True)
    return step


def wrapped(model: PreTrainedModel, backend: Compiled) -> Step:
    compiled: Any = torch.compile(model, backend=backend)
    return lambda ids: compiled(input_ids=ids).logits


def in_place(model: PreTrainedModel, backend: Compiled) -> Step:
    model.compile(backend=backend)
    return lambda ids: model(input_ids=ids).logits


def its_forward(model: PreTrainedModel, backend: Compiled) -> Step:
    model.forward = torch.compile(model.forward, backend=backend)
    return lambda ids: model(input_ids=ids).logits


def its_blocks(model: PreTrainedModel, backend: Compiled) -> Step:
    for number, block in enumerate(model.get_decoder().layers):
        if number % 2:
            block.compile(backend=backend)
        else:
            block.forward = torch.compile(block.forward, backend=backend)
    return lambda ids: model(input_ids=ids).logits


WAYS = [around, around_whole, wrapped, in_place, its_forward, its_blocks]
METRICS = ["residual_norm", "attention_entropy", "surprisal"]


def hooks_of(model: torch.nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "ran_before"), [(way, way in (around, its_forward, in_place)) for way in WAYS]
)
def test_compiled_code_is_measured_and_compiled_again_afterwards(
    way: Callable[[PreTrainedModel, Compiled], Step], ran_before: bool
) -> None:
    model, backend = tiny_model("llama"), Compiled()
    with attach(model, metrics=METRICS, label="m") as plain, torch.no_grad():
        model(input_ids=IDS)
    step = way(model, backend)
    with torch.no_grad():
        before = step(IDS) if ran_before else None
        runs, graphs = backend.runs, backend.graphs
        with attach(model, metrics=METRICS, label="m") as probe:
            step(IDS)
        assert (backend.runs, backend.graphs) == (runs, graphs)
        after = step(IDS)
    pd.testing.assert_frame_equal(probe.frame(), plain.frame())
    assert backend.runs > runs
    assert before is None or torch.equal(before, after)
    assert hooks_of(model) == 0
    assert eval_frame._stance.stance == "default"


def test_a_stance_of_the_users_own_comes_back_also_after_an_error() -> None:
    model = tiny_model("llama")
    with torch.compiler.set_stance("eager_on_recompile"):
        with pytest.raises(RuntimeError, match="mine"), attach(model):
            raise RuntimeError("mine")
        assert eval_frame._stance.stance == "eager_on_recompile"
    assert eval_frame._stance.stance == "default"
    assert hooks_of(model) == 0


def test_a_probe_inside_of_compiled_code_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")
    # As inside of a compiled function, whose compiling of all that a probe does takes minutes.
    monkeypatch.setattr("torch._C._dynamo.eval_frame.get_eval_frame_callback", lambda: print)
    with pytest.raises(UsageError, match="open the probe around the call"), attach(model):
        pass
    monkeypatch.undo()
    assert hooks_of(model) == 0
    assert eval_frame._stance.stance == "default"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_code_that_holds_a_copy_of_the_model_is_no_silent_nothing() -> None:
    model = tiny_model("llama").requires_grad_(False)

    def call(ids: Tensor) -> Tensor:
        logits: Tensor = model(input_ids=ids, use_cache=False).logits
        return logits

    traced = torch.jit.trace(call, IDS, check_trace=False)
    seen = pytest.warns(UserWarning, match="No forward pass of LlamaForCausalLM was seen")
    with seen, attach(model, metrics=["residual_norm"]) as probe:
        traced(IDS)
    assert probe.frame().empty


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused() -> None:
    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.inner(x)
            return y

    class Whole(torch.nn.Module):
        def __init__(self, *blocks: torch.nn.Module) -> None:
            super().__init__()
            self.layers = torch.nn.ModuleList(blocks)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    script = torch.jit.script(Whole(Block(), Block()))
    with pytest.raises(UsageError, match="RecursiveScriptModule is TorchScript"):
        attach(script, metrics=["residual_norm"])
    with pytest.raises(UsageError, match=r"layers\.1 is TorchScript"):
        attach(Whole(Block(), torch.jit.script(Block())), metrics=["residual_norm"])


def test_a_forward_that_replays_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        kept = model(input_ids=IDS)
        monkeypatch.setattr(model, "forward", lambda input_ids: kept)
        with pytest.raises(UnsupportedModelError, match="ran without its blocks"), attach(model):
            model(input_ids=IDS)


def test_a_captured_cuda_graph_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    model = tiny_model("llama")
    with pytest.raises(UnsupportedModelError, match="a CUDA graph is captured"), attach(model):
        model(input_ids=IDS)
