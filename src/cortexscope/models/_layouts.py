"""Folders that hold a model in a way that cannot be read: what they are, and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path

__all__ = ["foreign_weights", "names_in", "pickled_weights", "where_model_lies"]

_PICKLED = {".bin", ".ckpt", ".pt", ".pth"}
# Written beside weights while a model is trained.
_TRAINING = re.compile(
    r"(training_args|optimizer|scheduler|scaler|rng_state.*|random_states.*)\..*"
)
_EXPORTED = "it has no modules to look into; give the model that it was exported from"
_FORMATS = (
    (r"openvino_.*\.(bin|xml)", "OpenVINO", _EXPORTED),
    (r".*\.onnx(_data)?", "ONNX", _EXPORTED),
    (r".*\.(tflite|pte|engine|mlmodel)|.*\.mlpackage/.*", "an export for devices", _EXPORTED),
    (
        r".*\.h5|saved_model\.pb|.*\.ckpt(-\d+)?\.(index|meta|data-.*)",
        "TensorFlow",
        "give a copy in safetensors (transformers 4 makes one: from_pretrained(..., from_tf=True), "
        "then save_pretrained)",
    ),
    (
        r".*\.msgpack",
        "Flax",
        "give a copy in safetensors (transformers 4 makes one: from_pretrained(..., "
        "from_flax=True), then save_pretrained)",
    ),
    (
        r".*\.npz",
        "MLX",
        "give the model that it was converted from, or a copy in safetensors",
    ),
    (r"rust_model\..*", "rust-bert", "give the model that it was converted from"),
    (
        r"consolidated.*\.(safetensors|pth)",
        "its authors' own layout",
        "give the copy in the layout of transformers, which has a config.json and "
        "model.safetensors",
    ),
    (
        r"diffusion_pytorch_model.*",
        "diffusers",
        "it is a part of an image model; give a language model",
    ),
)


def names_in(folder: Path) -> list[str]:
    """Return the files of a folder and of those right below it, by their names from there."""
    found = (*folder.glob("*"), *folder.glob("*/*"))
    return sorted(path.relative_to(folder).as_posix() for path in found if path.is_file())


def foreign_weights(names: Iterable[str]) -> str | None:
    """Return what weights in another library's format are and what to do; None without any.

    Args:
        names: of the files, from their folder.
    """
    names = sorted(names, key=lambda name: (name.count("/"), name))
    for pattern, kind, advice in _FORMATS:
        found = next(
            (name for name in names if re.fullmatch(pattern, name.rpartition("/")[2])), None
        ) or next((name for name in names if re.fullmatch(pattern, name)), None)
        if found is not None:
            return f"holds its weights as {kind} ({found}), which cannot be measured: {advice}"
    return None


def pickled_weights(names: Collection[str]) -> list[str]:
    """Return those of some files that hold weights as pickles, in order."""
    exported = re.compile(_FORMATS[0][0])
    return sorted(
        name
        for name in names
        if Path(name).suffix in _PICKLED
        and not exported.fullmatch(name)
        and not _TRAINING.fullmatch(name)
    )


def where_model_lies(folder: Path) -> str | None:
    """Return where in a folder that is no model one is, and what to do; None without any."""
    first = _first_module(folder)
    if first is not None:
        return (
            f"is a folder of sentence-transformers whose model lies in {first}; "
            f"give {folder / first}"
        )
    inside = sorted(
        path.parent.relative_to(folder).as_posix()
        for pattern in ("*/config.json", "snapshots/*/config.json")
        for path in folder.glob(pattern)
    )
    if not inside:
        return None
    listed = ", ".join(inside[:3]) + (", ..." if inside[3:] else "")
    return f"is no model itself, and there are some in it ({listed}); give {folder / inside[0]}"


def _first_module(folder: Path) -> str | None:
    """Return the folder of the first module in a list that sentence-transformers keeps."""
    try:
        modules = json.loads((folder / "modules.json").read_bytes())
        path = str(modules[0]["path"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return path if path and (folder / path / "config.json").is_file() else None
