"""Tiny models in folders, a `.gguf` file, wheels behind pip and a hub on this machine."""

from __future__ import annotations

import base64
import hashlib
import importlib
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from models.tiny import FolderMaker, Members, WheelMaker, tiny_config, tiny_tokenizer, write_gguf
from transformers import LlamaForCausalLM

from cortexscope.models import _wheel


@pytest.fixture(autouse=True)
def own_caches(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep every made model out of the user's caches; the real ones are meant to stay there."""
    if request.node.get_closest_marker("weights") is None:
        monkeypatch.setenv("CORTEXSCOPE_CACHE", str(tmp_path / "cache"))
        code = str(tmp_path / "code")
        # Code of another test's folder would be looked for where that was.
        for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
            monkeypatch.delitem(sys.modules, name)
        here = [entry for entry in sys.path if not Path(entry, "transformers_modules").is_dir()]
        monkeypatch.setattr(sys, "path", here)
        importlib.invalidate_caches()
        monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", code)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    torch.manual_seed(0)
    LlamaForCausalLM(tiny_config()).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def llama(pristine: Path, tmp_path: Path) -> Path:
    """A folder with a complete tiny Llama, to be damaged at will."""
    return Path(shutil.copytree(pristine, tmp_path / "tiny-llama"))


@pytest.fixture
def make_folder(tmp_path: Path) -> FolderMaker:
    """Save any model with the tiny tokenizer."""

    def make(model: Any, name: str = "made", **options: Any) -> Path:
        folder = tmp_path / name
        model.save_pretrained(folder, **options)
        tiny_tokenizer().save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def make_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WheelMaker:
    """Write a wheel where pip finds it, and nowhere else does pip look."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")

    def make(name: str, version: str, members: Members) -> Path:
        stem = f"{name.replace('-', '_')}-{version}"
        path = shelf / f"{stem}-py3-none-any.whl"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
        tags = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
            archive.writestr(f"{stem}.dist-info/METADATA", metadata)
            archive.writestr(f"{stem}.dist-info/WHEEL", tags)
            archive.writestr(f"{stem}.dist-info/RECORD", _record(members))
        return path

    return make


@pytest.fixture
def without_pip(make_wheel: WheelMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the one wheel as it is, where what matters is what pip is not asked: its content."""

    def taken(wanted: str, folder: Path) -> Path:
        (wheel,) = (tmp_path / "shelf").glob("*.whl")
        return Path(shutil.copy(wheel, folder))

    monkeypatch.setattr(_wheel, "_download", taken)


def _record(members: Members) -> str:
    lines = []
    for member, content in members.items():
        name = member if isinstance(member, str) else member.filename
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        lines.append(f"{name},sha256={digest},{len(content)}\n")
    return "".join(lines)


@pytest.fixture
def packed(pristine: Path) -> Members:
    """The members of a wheel that holds the tiny Llama."""
    return {
        f"pkg/model/{path.name}": path.read_bytes()
        for path in sorted(pristine.iterdir())
        if path.is_file()
    }


@pytest.fixture(scope="session")
def pristine_gguf(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny-llama.gguf"
    write_gguf(path, LlamaForCausalLM.from_pretrained(pristine))
    return path


@pytest.fixture
def gguf_file(pristine_gguf: Path, tmp_path: Path) -> Path:
    """A `.gguf` file with the weights of the tiny Llama, to be damaged at will."""
    return Path(shutil.copy(pristine_gguf, tmp_path / "tiny-llama.gguf"))
