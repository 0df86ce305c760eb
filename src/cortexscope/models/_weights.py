"""Read a checkpoint into a module, and refuse it if any of its weights did not come from there."""

from __future__ import annotations

import copy
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from cortexscope.errors import ModelFileError
from cortexscope.models._quantization import quantization_config, without_kernels
from cortexscope.models._quiet import quiet, reason

__all__ = ["Placing", "incomplete", "read_weights"]


class Placing(NamedTuple):
    """Where weights go while they are read, and in how many bits."""

    dtype: torch.dtype
    devices: dict[str, str] | None
    """The device of each part by module path; None leaves all on the CPU."""
    quantize: str | None
    """How linear layers are quantised, None if they are not."""


def read_weights(
    folder: Path,
    known: type[PreTrainedModel],
    config: PreTrainedConfig,
    placing: Placing,
    *,
    pickle: bool,
    attention: str | None,
) -> PreTrainedModel:
    """Return the module of a checked folder, every weight of it from the checkpoint.

    Raises:
        ModelError: if weights are missing, of another shape, or cannot be read.
    """
    config = copy.deepcopy(config)
    unpacked = without_kernels(config)
    options: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    scratch: str | None = None
    if placing.devices is not None:
        options["device_map"] = dict(placing.devices)
        if "disk" in placing.devices.values():
            scratch = tempfile.mkdtemp(prefix="cortexscope-offload-")
            options["offload_folder"] = scratch
    try:
        with quiet():
            if placing.quantize is not None:
                options["quantization_config"] = quantization_config(
                    placing.quantize, placing.dtype
                )
            module, report = known.from_pretrained(
                folder,
                config=config,
                dtype=placing.dtype,
                use_safetensors=not pickle,
                local_files_only=True,
                output_loading_info=True,
                # They are refused below by name, where transformers would stop at a summary.
                ignore_mismatched_sizes=True,
                **options,
            )
        problem = incomplete(report)
    except BaseException as error:
        _remove(scratch)
        if not isinstance(error, Exception):
            raise
        way = f" as {placing.quantize}" if placing.quantize else ""
        raise ModelFileError(
            f"The weights in {folder} cannot be loaded{way}: {reason(error)}; "
            + ("choose another quantisation." if way else "fetch them again.")
        ) from error
    if problem is not None:
        _remove(scratch)
        raise ModelFileError(
            f"The weights in {folder} do not fit {known.__name__}: {problem}; they would be "
            "random numbers, so fetch a complete checkpoint."
        )
    if unpacked and placing.dtype in (torch.float32, torch.float64):
        # transformers unpacks to this dtype and leaves the rest as it was stored.
        module.to(placing.dtype)
    if scratch is not None:
        weakref.finalize(module, _remove, scratch)
    return module


def _remove(folder: str | None) -> None:
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def incomplete(report: dict[str, Any]) -> str | None:
    """Return what a loading report says is missing or of another shape, None if nothing is."""
    # A pooler comes after everything that is measured, and many encoders are saved without it.
    missing = sorted(key for key in report["missing_keys"] if ".pooler." not in f".{key}")
    if missing:
        return f"{len(missing)} are missing ({_few(missing)})"
    wrong = sorted(
        f"{key} is {_shape(found)} in the file and {_shape(wanted)} in the model"
        for key, found, wanted in report["mismatched_keys"]
    )
    if wrong:
        return f"{len(wrong)} have another shape ({_few(wrong)})"
    failed = report.get("error_msgs")
    return f"{failed}" if failed else None


def _few(items: list[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")


def _shape(sizes: Iterable[int]) -> str:
    return "x".join(str(size) for size in sizes)
