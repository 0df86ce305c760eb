"""A hub model is fetched once, by its commit; whatever the hub answers is one sentence."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from transformers import LlamaForCausalLM

from cortexscope.errors import ModelError, ModelNotFoundError, UnsafeModelError
from cortexscope.models import load_model, open_model
from cortexscope.models._quiet import quiet

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Answers as the hub does for one model, `org/tiny`, whose files are in a folder."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.failure: tuple[int, str | None] | None = None
        self.gated_files = False
        self.asked: list[str] = []

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.is_file())


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.server, self.path.partition("?")[0]
        hub.asked.append(f"{self.command} {path}")
        if hub.failure is not None:
            return self._fail(*hub.failure)
        if re.fullmatch(rf"/api/models/org/tiny(/revision/(main|v1|{COMMIT}))?", path):
            names = [{"rfilename": p.name, "size": p.stat().st_size} for p in hub.files()]
            names.append({"rfilename": "onnx/model.onnx", "size": 7})
            return self._json({"id": "org/tiny", "sha": COMMIT, "siblings": names})
        if path.startswith("/api/models/org/tiny/tree/"):
            rows = [
                {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": f"{n:040x}"}
                for n, p in enumerate(hub.files())
            ]
            return self._json(rows)
        if path.startswith("/api/models/org/tiny/revision/"):
            return self._fail(404, "RevisionNotFound")
        file = hub.folder / path.rpartition("/")[2]
        if not path.startswith(f"/org/tiny/resolve/{COMMIT}/") or not file.exists():
            return self._fail(404, "RepoNotFound")
        if hub.gated_files:
            return self._fail(403, "GatedRepo")
        return self._send(file.read_bytes(), etag=f"{hub.files().index(file):040x}")

    def _fail(self, status: int, code: str | None) -> None:
        self.send_response(status)
        if code is not None:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, content: object) -> None:
        self._send(json.dumps(content).encode(), etag="0" * 40)

    def _send(self, content: bytes, *, etag: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{etag}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def point_to(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def hub(llama: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub(llama)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    point_to(monkeypatch, f"http://127.0.0.1:{server.server_address[1]}")
    yield server
    huggingface_hub.close_session()
    server.shutdown()
    server.server_close()
    thread.join()


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
    online = open_model(str(pristine), tokenizer="org/tiny").info
    assert "tokenizer/tokenizer.json" in online.files
    assert not any("model.safetensors" in line for line in hub.asked)
    hub.failure = (503, None)
    assert open_model(str(pristine), tokenizer="org/tiny").info == online
