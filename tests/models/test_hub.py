"""A hub model is fetched once, by its commit; whatever the hub answers is one sentence."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from hubs import COMMIT, Answers, Hub, point_to, running
from huggingface_hub import constants
from transformers import LlamaForCausalLM

from cortexscope.errors import (
    ModelError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from cortexscope.models import LoadOptions, load_model, open_model
from cortexscope.models._quiet import quiet


class _Model(Answers):
    """One model, `org/tiny`."""

    def answer(self, path: str) -> None:
        files = self.server.files()
        if re.fullmatch(rf"/api/models/org/tiny(/revision/(main|v1|{COMMIT}))?", path):
            names = [{"rfilename": n, "size": p.stat().st_size} for n, p in files.items()]
            names.append({"rfilename": "onnx/model.onnx", "size": 7})
            return self.json({"id": "org/tiny", "sha": COMMIT, "siblings": names})
        if path.startswith("/api/models/org/tiny/tree/"):
            rows = [
                {"type": "file", "path": name, "size": p.stat().st_size, "oid": f"{n:040x}"}
                for n, (name, p) in enumerate(files.items())
            ]
            return self.json(rows)
        if path.startswith("/api/models/org/tiny/revision/"):
            return self.fail(404, "RevisionNotFound")
        name = path.rpartition("/")[2]
        if not path.startswith(f"/org/tiny/resolve/{COMMIT}/") or name not in files:
            return self.fail(404, "RepoNotFound")
        if self.server.gated_files:
            return self.fail(403, "GatedRepo")
        return self.send(files[name].read_bytes(), number=list(files).index(name))


@pytest.fixture
def hub(llama: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running(Hub(llama, _Model), monkeypatch) as server:
        yield server


def refusal(reference: str, kind: type[ModelError]) -> str:
    with pytest.raises(kind) as caught:
        open_model(reference)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("reference", ["org/tiny", "org/tiny@v1", f"org/tiny@{COMMIT}"])
def test_model_is_fetched_at_its_commit(hub: Hub, reference: str) -> None:
    lines: list[str] = []
    model = load_model(reference, note=lines.append)
    assert (model.info.revision, model.info.name) == (COMMIT, "org/tiny")
    assert (model.info.model, model.info.reference) == ("tiny", reference)
    assert len(lines) == 1
    assert lines[0].startswith("Fetching org/tiny: 1 weight files")
    again: list[str] = []
    assert load_model(reference, note=again.append).info == model.info
    assert again == []


def test_only_files_that_matter_are_fetched(hub: Hub) -> None:
    for name in ("pytorch_model.bin", "README.md", "own.py", "training_args.bin"):
        (hub.folder / name).write_text("x")
    folder = open_model("org/tiny").folder
    wanted = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in folder.iterdir()} - {"generation_config.json"} == wanted


def test_cached_model_loads_while_the_hub_is_away(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = open_model("org/tiny").info
    hub.failure = (503, None)
    assert open_model("org/tiny").info == online
    point_to(monkeypatch, "http://127.0.0.1:9")
    assert open_model("org/tiny").info == online
    assert open_model(f"org/tiny@{COMMIT}").info.revision == COMMIT
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_model("org/tiny").info == online
    assert "cannot be reached" in refusal("org/tiny@other", ModelError)


def test_refused_model_is_not_downloaded(hub: Hub) -> None:
    config = json.loads((hub.folder / "config.json").read_text())
    (hub.folder / "config.json").write_text(
        json.dumps({**config, "model_type": "own", "auto_map": {"AutoConfig": "own.C"}})
    )
    assert "run code" in refusal("org/tiny", UnsafeModelError)
    assert not any("model.safetensors" in line for line in hub.asked)


def test_pickle_is_not_fetched_unasked(hub: Hub) -> None:
    (hub.folder / "model.safetensors").rename(hub.folder / "pytorch_model.bin")
    assert "pytorch_model.bin" in refusal("org/tiny", UnsafeModelError)
    assert not any("resolve" in line for line in hub.asked)


def test_model_without_readable_weights_says_what_it_has(hub: Hub) -> None:
    (hub.folder / "model.safetensors").rename(hub.folder / "tiny.gguf")
    assert "tiny.gguf" in refusal("org/tiny", ModelNotFoundError)
    (hub.folder / "tiny.gguf").unlink()
    assert "as ONNX (onnx/model.onnx)" in refusal("org/tiny", UnsupportedModelError)


def test_model_below_its_folder_is_named(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cortexscope.models._hub.foreign_weights", lambda names: None)
    (hub.folder / "0_Transformer").mkdir()
    (hub.folder / "model.safetensors").rename(hub.folder / "0_Transformer" / "model.safetensors")
    assert "holds its model in 0_Transformer" in refusal("org/tiny", ModelNotFoundError)
    (hub.folder / "0_Transformer" / "model.safetensors").unlink()
    assert "no weights" in refusal("org/tiny", ModelNotFoundError)


def test_unknown_names_are_told_apart(hub: Hub) -> None:
    assert "no model 'org/other'" in refusal("org/other", ModelNotFoundError)
    assert "no revision 'v2'" in refusal("org/tiny@v2", ModelNotFoundError)
    assert "known: " in refusal("zzz", ModelNotFoundError)


def test_locked_models_say_how_to_get_in(hub: Hub) -> None:
    hub.gated_files = True
    assert "is gated" in refusal("org/tiny", ModelError)
    hub.failure = (401, "GatedRepo")
    assert "is gated" in refusal("org/tiny", ModelError)
    hub.failure = (403, None)
    assert "refuses access" in refusal("org/tiny", ModelError)
    hub.failure = (500, None)
    assert "status 500" in refusal("org/tiny", ModelError)


def test_unreachable_hub_is_one_sentence_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    point_to(monkeypatch, "http://127.0.0.1:9")
    started = time.perf_counter()
    message = refusal("org/tiny", ModelError)
    assert time.perf_counter() - started < 3
    for way in ("local folder", ".gguf", "pypi:", "demo-decoder"):
        assert way in message


def test_silent_hub_is_given_up_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cortexscope.models._hub._PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_to(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.perf_counter()
        assert "cannot be reached" in refusal("org/tiny", ModelError)
        assert time.perf_counter() - started < 5
    huggingface_hub.close_session()


def test_odd_hub_id_is_one_sentence() -> None:
    assert "is no hub id" in refusal("org/a--b", ModelNotFoundError)


def test_adapter_is_fetched_from_the_hub_and_found_in_its_cache(
    hub: Hub, pristine: Path, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft")
    with quiet():
        base = LlamaForCausalLM.from_pretrained(pristine)
        wrapped = peft.PeftModel(base, peft.LoraConfig(r=2, target_modules=["q_proj"]))
        wrapped.save_pretrained(tmp_path / "lora", save_embedding_layers=False)
    hub.folder = tmp_path / "lora"
    online = open_model(f"{pristine}+org/tiny@v1").info
    assert online.reference == f"{pristine}+org/tiny@v1"
    assert "adapter/adapter_model.safetensors" in online.files
    assert not any("README" in line for line in hub.asked)
    hub.failure = (503, None)
    assert open_model(f"{pristine}+org/tiny@v1").info == online
    assert "status 503" in refusal(f"{pristine}+org/tiny@other", ModelError)


def test_only_the_tokenizer_is_fetched_of_a_model_that_is_named_for_it(
    hub: Hub, pristine: Path
) -> None:
    online = open_model(str(pristine), LoadOptions(tokenizer="org/tiny")).info
    assert "tokenizer/tokenizer.json" in online.files
    assert not any("model.safetensors" in line for line in hub.asked)
    hub.failure = (503, None)
    assert open_model(str(pristine), LoadOptions(tokenizer="org/tiny")).info == online
