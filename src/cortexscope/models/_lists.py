"""Find the lists of blocks in a model: of its one stack, or of its encoder and its decoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cortexscope.errors import UnsupportedModelError
from cortexscope.models._settings import setting

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

__all__ = ["backbone_of", "choose_lists", "integers", "known_part"]

_RIVAL = 0.25
"""A second list of blocks with at least this share of the parameters of the largest cannot be
overlooked."""

_LAYER_COUNTS = (
    "num_hidden_layers",
    "n_layer",
    "n_layers",
    "num_layers",
    "encoder_layers",
    "decoder_layers",
    "num_decoder_layers",
)


def known_part(module: nn.Module) -> PreTrainedModel | None:
    """Return the outermost model of transformers in a module, None where there is none.

    It may be the module itself, or lie inside a wrapper such as PEFT's or `torch.compile`'s.
    """
    from transformers import PreTrainedModel

    return next((part for part in module.modules() if isinstance(part, PreTrainedModel)), None)


def _block_lists(module: nn.Module) -> list[str]:
    """Return the paths of the outermost lists whose items could be blocks."""
    from torch import nn

    config = getattr(known_part(module), "config", None)
    counts = set(integers(config, _LAYER_COUNTS))
    found: list[str] = []
    for path, part in module.named_modules():
        if any(path.startswith(outer + ".") for outer in found):
            continue
        if not isinstance(part, nn.ModuleList | nn.Sequential) or not len(part):
            continue
        items = list(part)
        composed = all(
            any(True for _ in item.children()) and any(True for _ in item.parameters())
            for item in items
        )
        alike = len({type(item) for item in items}) == 1
        # Layers of several kinds are still layers where the configuration counts that many.
        if composed and (alike or (len(items) in counts and isinstance(part, nn.ModuleList))):
            found.append(path)
    return found


def integers(config: object, names: tuple[str, ...]) -> Iterator[int]:
    """Yield what a configuration, the text part of it first, gives under any of these names."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    for part in (text, config):
        for name in names:
            value = setting(part, name)
            if isinstance(value, int):
                yield value


def choose_lists(module: nn.Module) -> list[str]:
    """Return the path of the one stack's list, or those of the encoder's and the decoder's.

    Raises:
        UnsupportedModelError: if there is none, or nothing says which of several it is.
    """
    lists = _block_lists(module)
    if not lists:
        raise UnsupportedModelError(
            f"{type(module).__name__} has no list of blocks: no torch.nn.ModuleList of modules of "
            "one class was found in it, so its layers cannot be told apart."
        )
    if len(lists) == 1:
        return lists
    weights = {
        path: sum(p.numel() for p in module.get_submodule(path).parameters()) for path in lists
    }
    ranked = sorted(lists, key=lambda path: -weights[path])
    _refuse_split(module, ranked, weights)
    part = known_part(module)
    if part is not None:
        if bool(getattr(part.config, "is_encoder_decoder", False)) and len(lists) > 1:
            return sorted(ranked[:2], key=_is_decoder)
        text = [path for path in ranked if _reads_text(module, path, part)]
        return (text or ranked)[:1]
    rivals = [path for path in ranked if weights[path] >= _RIVAL * weights[ranked[0]]]
    if len(rivals) == 1:
        return rivals
    if len(rivals) == 2 and sum(map(_is_decoder, rivals)) == 1:
        return sorted(rivals, key=_is_decoder)
    raise UnsupportedModelError(
        f"{type(module).__name__} has {len(rivals)} lists of blocks ({', '.join(sorted(rivals))}) "
        "and nothing says which is the language model; attach to the part that is."
    )


def _refuse_split(module: nn.Module, ranked: list[str], weights: dict[str, int]) -> None:
    """Refuse a model that keeps attention and MLPs in lists side by side instead of in blocks."""
    first = ranked[0]
    owner = first.rpartition(".")[0]
    for other in ranked[1:]:
        beside = other.rpartition(".")[0] == owner
        if not beside or weights[other] < _RIVAL * weights[first]:
            continue
        sizes = {len(module.get_submodule(path)._modules) for path in (first, other)}
        if len(sizes) == 1:
            raise UnsupportedModelError(
                f"{type(module).__name__} keeps the parts of its layers in lists side by side "
                f"({first}, {other}), so that no module is a block whose output could be read."
            )


def _reads_text(module: nn.Module, path: str, whole: PreTrainedModel) -> bool:
    """Return whether a list of blocks belongs to the part of a model that reads text."""
    config = getattr(module.get_submodule(backbone_of(module, path)), "config", None)
    text = whole.config.get_text_config()
    return bool(getattr(config, "model_type", None) == text.model_type)


def _is_decoder(path: str) -> bool:
    return "decoder" in path


def backbone_of(module: nn.Module, blocks: str) -> str:
    from transformers import PreTrainedModel

    owner = blocks.rpartition(".")[0]
    path = owner
    while True:
        if isinstance(module.get_submodule(path), PreTrainedModel):
            return path
        if not path:
            return owner
        path = path.rpartition(".")[0]
