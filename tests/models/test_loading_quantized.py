"""Weights in few bits give nearly the same states, and the record says what was done to them."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from models.tiny import FolderMaker, tiny_config
from transformers import LlamaForCausalLM

import cortexscope
from cortexscope.errors import CortexscopeError, UnsupportedModelError, UsageError
from cortexscope.models import LoadOptions, Model, load_model, open_model
from cortexscope.models._quantization import QUANTIZATIONS

# Of the norm of the output of a tiny random Llama, half as much again as was measured.
ERRORS = {"bnb-8bit": 0.015, "bnb-4bit": 0.09, "torchao-int8": 0.008, "quanto-int8": 0.01}


def installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


HERE = [name for name, way in QUANTIZATIONS.items() if installed(way.package)]


@pytest.fixture
def wide(make_folder: FolderMaker) -> Path:
    """A Llama whose rows fill a block of 64 weights."""
    torch.manual_seed(0)
    return make_folder(LlamaForCausalLM(tiny_config(hidden_size=64, intermediate_size=128)))


def logits(model: Model) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model.module(torch.tensor([[2, 4, 5, 6, 7, 8]])).logits.float()
    return found


def set_quantization(folder: Path, config: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": config}))


def test_each_way_but_torchao_is_tried_where_the_development_tools_are() -> None:
    # torchao writes to the terminal when transformers is imported, so it is not among them.
    assert {"bnb-8bit", "bnb-4bit", "quanto-int8"} <= set(HERE)
    assert set(ERRORS) == set(QUANTIZATIONS)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", HERE)
def test_quantised_model_is_close_repeatable_and_counted_whole(
    wide: Path, name: str, dtype: str
) -> None:
    plain = load_model(str(wide), LoadOptions(dtype=dtype))
    source = open_model(str(wide), LoadOptions(dtype=dtype, quantize=name))
    model = source.load()
    expected, found = logits(plain), logits(model)
    error = (found - expected).norm() / expected.norm()
    assert 1e-4 < error < ERRORS[name]
    assert torch.equal(found, logits(model))
    assert torch.equal(found, logits(source.load()))
    assert model.info == source.info
    assert model.info.parameters == plain.info.parameters
    assert (model.info.quantization, model.info.dtype) == (name, dtype)
    linear = [part for part in model.module.modules() if type(part).__name__ == "Linear"]
    whole = [part for part in linear if type(part.weight) is torch.nn.Parameter]
    assert whole == [model.module.lm_head]


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_run_on_quantised_weights_measures_all_and_says_so(
    wide: Path, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "suite.csv"
    suite.write_text("task,id,text\nt,a,one two three\nt,b,four\n")
    settings = cortexscope.Settings(loading=LoadOptions(quantize=name))
    capfd.readouterr()
    measured = cortexscope.profile(str(wide), suite, settings=settings)
    assert capfd.readouterr() == ("", "")
    plain = cortexscope.profile(str(wide), suite)
    assert measured.manifest.settings["quantize"] == name
    assert measured.manifest.models[0].quantization == name
    assert list(measured.models()["quantization"]) == [name]
    keys = ["prompt_id", "metric", "layer", "head"]
    both = measured.frame("residual_norm").merge(plain.frame("residual_norm"), on=keys)
    assert len(both) == 2 * 3
    change = (both["value_x"] / both["value_y"] - 1).abs()
    assert 0 < change.max() < 0.05
    assert set(measured.frame()["reason"].dropna()) == set(plain.frame()["reason"].dropna())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"quantize": "bnb-3bit"}, "did you mean 'bnb-8bit'|did you mean 'bnb-4bit'"),
        ({"quantize": "bnb-8bit", "dtype": "fp64"}, "leave one out"),
    ],
)
def test_wrong_quantisation_is_a_usage_error(
    wide: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        open_model(str(wide), LoadOptions(**options))


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Let some packages not be installed."""
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name in packages:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.parametrize("name", QUANTIZATIONS)
def test_missing_package_is_one_sentence_that_names_the_extra(
    wide: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = QUANTIZATIONS[name].package
    without(monkeypatch, package)
    with pytest.raises(UsageError) as caught:
        open_model(str(wide), LoadOptions(quantize=name))
    assert str(caught.value) == (
        f"The quantisation {name} needs {package}, which is not installed: "
        "pip install 'cortexscope[quantized]'"
    )


@pytest.mark.parametrize(
    ("config", "kind", "says"),
    [
        ({"quant_method": "gptq", "bits": 4}, UsageError, r"gptqmodel.*cortexscope\[gptq\]"),
        ({"quant_method": "awq", "bits": 4}, UsageError, r"gptqmodel.*cortexscope\[gptq\]"),
        ({"quant_method": "compressed-tensors"}, UsageError, r"compressed-tensors.*\[quantized\]"),
        ({"quant_method": "torchao"}, UsageError, r"torchao, which.*\[quantized\]"),
        ({"quant_method": "bitsandbytes"}, UsageError, r"bitsandbytes, which.*\[quantized\]"),
        ({"load_in_4bit": True}, UsageError, r"bitsandbytes, which.*\[quantized\]"),
        ({"quant_method": "quanto"}, UsageError, r"optimum-quanto, which.*\[quantized\]"),
        ({"quant_method": "hqq"}, UsageError, "pip install hqq"),
        ({"quant_method": "mlx"}, UnsupportedModelError, r"quantised \(mlx\)"),
        ({"bits": 4}, UnsupportedModelError, "unknown method"),
        ("int4", UnsupportedModelError, "unknown method"),
    ],
)
def test_stored_kind_without_its_package_is_refused_before_weights_are_read(
    wide: Path,
    config: object,
    kind: type[CortexscopeError],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packages = "gptqmodel optimum compressed-tensors torchao bitsandbytes optimum-quanto hqq"
    without(monkeypatch, *packages.split())
    set_quantization(wide, config)
    (wide / "model.safetensors").unlink()
    with pytest.raises(kind, match=says) as caught:
        open_model(str(wide))
    assert "\n" not in str(caught.value)
    assert str(wide / "config.json") in str(caught.value)


def test_stored_kind_that_cannot_run_here_says_why_before_weights_are_read(wide: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    set_quantization(wide, {"quant_method": "fbgemm_fp8"})
    real = importlib.metadata.version
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            importlib.metadata, "version", lambda name: "1" if name == "fbgemm-gpu" else real(name)
        )
        with pytest.raises(UnsupportedModelError, match="requires a GPU"):
            open_model(str(wide))


@pytest.mark.parametrize(("load", "name"), [("load_in_8bit", "8bit"), ("load_in_4bit", "4bit")])
def test_checkpoint_stored_by_bitsandbytes_is_what_quantising_gives(
    wide: Path, tmp_path: Path, load: str, name: str, make_folder: FolderMaker
) -> None:
    made = load_model(str(wide), LoadOptions(quantize=f"bnb-{name}", dtype="bfloat16"))
    folder = make_folder(made.module, name="stored")
    model = load_model(str(folder), LoadOptions(dtype="float32"))
    assert model.info.dtype == "bfloat16"
    assert model.info.quantization == f"bitsandbytes-{name}"
    assert model.info.parameters == made.info.parameters
    assert torch.equal(logits(model), logits(made))
    with pytest.raises(UsageError, match="quantised already"):
        open_model(str(folder), LoadOptions(quantize="bnb-8bit"))


@pytest.mark.parametrize("dtype", ["auto", "float32"])
def test_fp8_checkpoint_is_unpacked_without_fetching_kernels(
    make_folder: FolderMaker, dtype: str
) -> None:
    from safetensors.torch import load_file, save_file

    torch.manual_seed(0)
    made = LlamaForCausalLM(tiny_config(hidden_size=64, intermediate_size=128)).bfloat16()
    folder = make_folder(made)
    plain = load_model(str(folder), LoadOptions(dtype=dtype))
    path = folder / "model.safetensors"
    state = load_file(path)
    for name in [name for name in state if name.endswith("_proj.weight")]:
        weight = state[name].float()
        scale = weight.abs().max() / 448
        state[name] = (weight / scale).to(torch.float8_e4m3fn)
        blocks = -(-weight.shape[0] // 128), -(-weight.shape[1] // 128)
        state[f"{name}_scale_inv"] = scale.expand(blocks).contiguous()
    save_file(state, path, metadata={"format": "pt"})
    set_quantization(
        folder, {"quant_method": "fp8", "weight_block_size": [128, 128], "fmt": "e4m3"}
    )
    model = load_model(str(folder), LoadOptions(dtype=dtype))
    assert model.info.quantization == "fp8, unpacked"
    assert model.info.dtype == plain.info.dtype
    assert {p.dtype for p in model.module.parameters()} == {plain.module.dtype}
    assert model.info.parameters == plain.info.parameters
    error = (logits(model) - logits(plain)).norm() / logits(plain).norm()
    assert 1e-3 < error < 0.06


@pytest.mark.parametrize("dtype", ["auto", "float32"])
def test_mxfp4_experts_are_unpacked_exactly(make_folder: FolderMaker, dtype: str) -> None:
    from safetensors.torch import load_file, save_file
    from transformers import GptOssConfig, GptOssForCausalLM

    config = GptOssConfig(
        vocab_size=12,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        num_local_experts=2,
        num_experts_per_tok=1,
        max_position_embeddings=64,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    torch.manual_seed(0)
    folder = make_folder(GptOssForCausalLM(config).bfloat16())
    count = open_model(str(folder)).info.parameters
    path = folder / "model.safetensors"
    state = load_file(path)
    experts = "model.layers.0.mlp.experts.down_proj"
    for name in (experts, experts.replace("down", "gate_up")):
        number, inner, outer = state.pop(name).shape
        state[f"{name}_blocks"] = torch.randint(0, 256, (number, outer, inner // 32, 16)).byte()
        state[f"{name}_scales"] = torch.full((number, outer, inner // 32), 125).byte()
    save_file(state, path, metadata={"format": "pt"})
    set_quantization(folder, {"quant_method": "mxfp4"})
    model = load_model(str(folder), LoadOptions(dtype=dtype))
    assert (model.info.quantization, model.info.parameters) == ("mxfp4, unpacked", count)
    # A byte holds two numbers of one sign bit and three bits, the lower four first.
    values = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
    packed = state[f"{experts}_blocks"].long()
    halves = torch.stack([packed & 15, packed >> 4], dim=-1).flatten(-3)
    expected = values[halves & 7] * torch.where(halves > 7, -1.0, 1.0) * 2.0 ** (125 - 127)
    found = model.module.get_parameter(experts)
    assert found.dtype == (torch.bfloat16 if dtype == "auto" else torch.float32)
    assert torch.equal(found.float(), expected.transpose(1, 2))
    assert logits(model).isfinite().all()
