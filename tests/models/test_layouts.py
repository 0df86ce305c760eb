"""A folder that cannot be read is called what it is, with what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cortexscope.errors import (
    ModelError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from cortexscope.models import load_model, open_model


def refusal(reference: str | Path, kind: type[ModelError]) -> str:
    with pytest.raises(kind) as caught:
        open_model(str(reference))
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("configured", [True, False], ids=["with config", "without"])
@pytest.mark.parametrize(
    ("names", "kind", "advice"),
    [
        (["openvino_model.bin", "openvino_model.xml"], "OpenVINO", "exported from"),
        (["model.onnx"], "ONNX", "exported from"),
        (["onnx/model_quantized.onnx", "onnx/model.onnx_data"], "ONNX", "exported from"),
        (["tf_model.h5"], "TensorFlow", "from_tf=True"),
        (["saved_model.pb", "variables/variables.index"], "TensorFlow", "from_tf=True"),
        (["model.ckpt-1000.index", "model.ckpt-1000.meta"], "TensorFlow", "from_tf=True"),
        (["flax_model.msgpack"], "Flax", "from_flax=True"),
        (["weights.npz"], "MLX", "converted from"),
        (["model.tflite"], "an export for devices", "exported from"),
        (["consolidated.00.pth", "params.json"], "its authors' own layout", "transformers"),
    ],
)
def test_weights_of_another_library_are_named(
    llama: Path, names: list[str], kind: str, advice: str, configured: bool
) -> None:
    (llama / "model.safetensors").unlink()
    if not configured:
        (llama / "config.json").unlink()
    for name in names:
        (llama / name).parent.mkdir(exist_ok=True)
        (llama / name).write_bytes(b"x")
    message = refusal(llama, UnsupportedModelError if configured else ModelNotFoundError)
    assert f"as {kind} ({names[0]})" in message or f"as {kind} ({names[-1]})" in message
    assert advice in message
    assert "pickle" not in message


def test_exports_beside_weights_do_not_matter(llama: Path) -> None:
    for name in ("openvino_model.bin", "model.onnx", "tf_model.h5", "training_args.bin"):
        (llama / name).write_bytes(b"x")
    load_model(str(llama))
    (llama / "model.safetensors").rename(llama / "pytorch_model.bin")
    assert "only as pickle (pytorch_model.bin)" in refusal(llama, UnsafeModelError)


def test_what_training_leaves_is_no_weight(llama: Path) -> None:
    (llama / "model.safetensors").unlink()
    for name in ("training_args.bin", "optimizer.pt", "rng_state_0.pth", "scheduler.pt"):
        (llama / name).write_bytes(b"x")
    assert "holds no weights at all" in refusal(llama, ModelNotFoundError)


@pytest.mark.parametrize("named", ["0_Transformer", "0_BERT"])
@pytest.mark.parametrize("old", [True, False], ids=["config of its own", "none"])
def test_sentence_folder_with_its_model_inside_leads_there(
    llama: Path, tmp_path: Path, named: str, old: bool
) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    shutil.move(llama, outer / named)
    modules = [{"idx": 0, "name": "0", "path": named, "type": "sentence_transformers.models.BERT"}]
    (outer / "modules.json").write_text(json.dumps(modules))
    if old:
        (outer / "config.json").write_text('{"__version__": "0.2.5"}')
    message = refusal(outer, ModelNotFoundError)
    assert f"sentence-transformers whose model lies in {named}" in message
    assert f"give {outer / named}" in message
    assert load_model(str(outer / named)).info.family == "llama"


@pytest.mark.parametrize("inside", ["checkpoint-500", "snapshots/0123456789abcdef"])
def test_folder_around_a_model_leads_there(llama: Path, tmp_path: Path, inside: str) -> None:
    outer = tmp_path / "outer"
    (outer / inside).parent.mkdir(parents=True)
    shutil.move(llama, outer / inside)
    assert f"give {outer / inside}" in refusal(outer, ModelNotFoundError)


@pytest.mark.parametrize("modules", ["{", "[]", "[1]", '[{"path": 3}]', '[{"path": "../.."}]'])
def test_odd_list_of_modules_is_passed_over(tmp_path: Path, modules: str) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "modules.json").write_text(modules)
    assert "is no model folder" in refusal(tmp_path / "odd", ModelNotFoundError)


def test_weights_that_mlx_quantised_are_named(llama: Path) -> None:
    path = llama / "config.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "quantization": {"group_size": 64, "bits": 4}}))
    assert "as MLX does it" in refusal(llama, UnsupportedModelError)
