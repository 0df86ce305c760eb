"""Read a checkpoint into a module, and refuse it if any of its weights did not come from there."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from cortexscope.errors import ModelFileError
from cortexscope.models._config import reason
from cortexscope.models._quiet import quiet

__all__ = ["incomplete", "read_weights"]


def read_weights(
    folder: Path,
    known: type[PreTrainedModel],
    config: PreTrainedConfig,
    *,
    dtype: torch.dtype,
    pickle: bool,
    attention: str | None,
) -> PreTrainedModel:
    """Return the module of a checked folder, every weight of it from the checkpoint.

    Raises:
        ModelError: if weights are missing, of another shape, or cannot be read.
    """
    options = {} if attention is None else {"attn_implementation": attention}
    try:
        with quiet():
            module, report = known.from_pretrained(
                folder,
                config=copy.deepcopy(config),
                dtype=dtype,
                use_safetensors=not pickle,
                local_files_only=True,
                output_loading_info=True,
                # They are refused below by name, where transformers would stop at a summary.
                ignore_mismatched_sizes=True,
                **options,
            )
    except Exception as error:
        raise ModelFileError(
            f"The weights in {folder} cannot be loaded: {reason(error)}; fetch them again."
        ) from error
    problem = incomplete(report)
    if problem is not None:
        raise ModelFileError(
            f"The weights in {folder} do not fit {known.__name__}: {problem}; they would be "
            "random numbers, so fetch a complete checkpoint."
        )
    return module


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
