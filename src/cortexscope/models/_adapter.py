"""A PEFT adapter: its files, checked against the model it is put on, and its place in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from transformers import PreTrainedModel

from cortexscope.errors import (
    CortexscopeError,
    ModelFileError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from cortexscope.files import sha256_of
from cortexscope.models._folder import check_safetensors, few, is_tokenizer_file, read_json
from cortexscope.models._quantization import require
from cortexscope.models._quiet import quiet, reason
from cortexscope.models._reference import Reference
from cortexscope.models._resizing import resize

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

__all__ = ["Adapter", "check_fit", "open_adapter", "put_on"]

CONFIG = "adapter_config.json"
_SAFE, _PICKLE = "adapter_model.safetensors", "adapter_model.bin"
# These act outside the modules of the model: on its input or the choice among several adapters.
_OUTSIDE = {"CARTRIDGE", "CPT", "POLY", "XLORA"}
# A head for a task comes after everything that is measured.
_HEADS = ("classifier", "score")


class Adapter(NamedTuple):
    """An adapter whose files are here and checked."""

    name: str
    folder: Path
    pickle: bool
    hashes: dict[str, str]


def open_adapter(
    reference: Reference, *, allow_pickle: bool, note: Callable[[str], None]
) -> Adapter:
    """Return an adapter, fetched and checked by itself.

    Raises:
        UsageError: if PEFT is not installed.
        ModelNotFoundError: if there is none behind the reference.
        UnsafeModelError: if its weights are a pickle and that is not allowed.
        UnsupportedModelError: if it does not act inside the modules of a model.
        ModelError: if a file is damaged or cannot be fetched.
    """
    require(("peft",), f"The adapter {reference.text}")
    folder = _locate(reference, allow_pickle=allow_pickle, note=note)
    if not (folder / CONFIG).is_file():
        inside = sorted(path.parent.name for path in folder.glob(f"*/{CONFIG}"))
        what = (
            f"there are some in it ({few(inside)}); give {folder / inside[0]}"
            if inside
            else "give a folder that the save_pretrained of a PEFT model wrote"
        )
        raise ModelNotFoundError(f"{folder} has no {CONFIG}, so it is no adapter; {what}.")
    _check_kind(folder / CONFIG, read_json(folder / CONFIG))
    weights = _weights(folder, allow_pickle=allow_pickle)
    hashes = {f"adapter/{name}": sha256_of(folder / name) for name in (CONFIG, weights)}
    return Adapter(reference.label, folder, weights == _PICKLE, hashes)


def _locate(reference: Reference, *, allow_pickle: bool, note: Callable[[str], None]) -> Path:
    if reference.kind == "folder":
        return Path(reference.target).expanduser()
    from cortexscope.models._hub import fetch_files

    names = {CONFIG, _SAFE, *([_PICKLE] if allow_pickle else [])}

    def wanted(name: str) -> bool:
        return name in names or is_tokenizer_file(name)

    return fetch_files(reference, wanted, marker=CONFIG, note=note).folder


def _check_kind(path: Path, raw: dict[str, Any]) -> None:
    kind = raw.get("peft_type")
    if not isinstance(kind, str):
        raise ModelFileError(f"{path} names no peft_type; fetch the file again.")
    with quiet():
        from peft import PeftType

    if kind not in set(PeftType):
        raise UnsupportedModelError(
            f"{path} describes a {kind} adapter, which the installed peft does not know; "
            "upgrade it."
        )
    prompt = "PROMPT" in kind or kind in {"P_TUNING", "PREFIX_TUNING"}
    if prompt or kind in _OUTSIDE or raw.get("alora_invocation_tokens"):
        raise UnsupportedModelError(
            f"{path} describes a {kind} adapter that changes the input or follows the tokens, "
            "which cannot be measured; adapters inside the modules can, such as LoRA."
        )


def _weights(folder: Path, *, allow_pickle: bool) -> str:
    if (folder / _SAFE).is_file():
        check_safetensors(folder / _SAFE)
        return _SAFE
    if not (folder / _PICKLE).is_file():
        raise ModelNotFoundError(f"{folder} holds no {_SAFE}; fetch the adapter's weights.")
    if not allow_pickle:
        raise UnsafeModelError(
            f"{folder} holds the adapter's weights only as pickle ({_PICKLE}), which can run code "
            "when read; use a copy in safetensors, or allow pickle if you trust its author."
        )
    return _PICKLE


def check_fit(built: PreTrainedModel, adapter: Adapter) -> None:
    """Put an adapter on the outline of a model, and check that each of its weights has a place.

    The outline then has as many tokens as the adapter was trained with.

    Raises:
        ModelFileError: if the adapter is for another model, or lacks weights of its own tokens.
        UnsupportedModelError: if PEFT cannot put it on this one.
    """
    from peft.utils import get_peft_model_state_dict

    with quiet():
        state = _read(adapter)
        wrapped = _wrap(built, adapter, state, outline=True)
        own = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
        ends = get_peft_model_state_dict(wrapped, save_embedding_layers=True)
        places = {**wrapped.state_dict(), **ends, **own}
    problem = _misfit(own, places, state)
    if problem is not None:
        raise ModelFileError(
            f"The adapter in {adapter.folder} does not fit {type(built).__name__}: {problem}; it "
            "belongs to another base model."
        )


def put_on(module: PreTrainedModel, adapter: Adapter) -> None:
    """Put an adapter into a loaded model, beside its weights; they are not merged.

    Raises:
        UnsupportedModelError: if PEFT cannot put it on this model.
        ModelFileError: if its weights do not fit.
    """
    from peft.utils import set_peft_model_state_dict

    with quiet():
        state = _read(adapter)
        wrapped = _wrap(module, adapter, state, outline=False)
        try:
            set_peft_model_state_dict(wrapped, state)
        except RuntimeError as error:
            raise ModelFileError(
                f"The adapter in {adapter.folder} cannot be loaded: {reason(error)}."
            ) from error


def _read(adapter: Adapter) -> dict[str, torch.Tensor]:
    from peft.utils import load_peft_weights

    try:
        state: dict[str, torch.Tensor] = load_peft_weights(str(adapter.folder), device="cpu")
    except Exception as error:
        raise ModelFileError(
            f"The adapter in {adapter.folder} cannot be read: {reason(error)}; fetch it again."
        ) from error
    return state


def _wrap(
    module: PreTrainedModel, adapter: Adapter, state: dict[str, torch.Tensor], *, outline: bool
) -> PeftModel:
    from peft import PeftConfig, PeftModel

    try:
        config = PeftConfig.from_pretrained(str(adapter.folder))
        config.inference_mode = True
        copied = getattr(config, "modules_to_save", None) or ()
        resize(module, state, copied=copied, called=f"The adapter in {adapter.folder}")
        return PeftModel(module, config, low_cpu_mem_usage=outline)
    except CortexscopeError:
        raise
    except Exception as error:
        raise UnsupportedModelError(
            f"The adapter in {adapter.folder} cannot be put on {type(module).__name__}: "
            f"{reason(error)}."
        ) from error


def _misfit(
    own: dict[str, torch.Tensor], places: dict[str, torch.Tensor], state: dict[str, torch.Tensor]
) -> str | None:
    """Return what does not fit of an adapter's weights, None if all do."""
    missing = sorted(own.keys() - state.keys())
    if missing:
        return f"{len(missing)} of its weights are missing ({missing[0]})"
    for name, tensor in state.items():
        if name not in places:
            if not any(f".{head}." in f"{name}." for head in _HEADS):
                return f"there is no place for {name}"
        elif places[name].shape != tensor.shape:
            found, wanted = (
                "x".join(map(str, shape)) for shape in (tensor.shape, places[name].shape)
            )
            return f"{name} is {found} in the file and {wanted} in the model"
    return None
