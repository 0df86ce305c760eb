"""Hold the outline of a model, which has no memory yet, against the size of its weights."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel

from cortexscope.errors import ModelFileError
from cortexscope.models._describe import count_parameters

__all__ = ["check_outline"]

_DENSEST = 8
"""Parameters in a byte of weights, at most: no format has less than a bit for each."""
_TABLES = 2**32
"""Bytes of all tables that a model computes when it is built; masks of 2,048 x 2,048 positions in
each of 48 layers take 0.2 GB."""


def check_outline(built: PreTrainedModel, path: Path, *, held: int) -> None:
    """Refuse a model whose weights could not be in its files, before memory is taken for them.

    Args:
        built: without memory for its weights.
        path: of the file that describes it, for messages.
        held: bytes of the files with its weights.

    Raises:
        ModelFileError: if its parameters cannot be in the files, or what is computed beside them
            takes gigabytes.
    """
    count = count_parameters(built)
    if count > _DENSEST * held:
        raise ModelFileError(
            f"{path} describes a model of {count:,} parameters, which the {held:,} bytes of its "
            "weights cannot hold; correct its sizes, or fetch the weights again."
        )
    sizes = {name: one.numel() * one.element_size() for name, one in built.named_buffers()}
    if sum(sizes.values()) > _TABLES:
        largest = max(sizes, key=lambda name: sizes[name])
        raise ModelFileError(
            f"{path} makes {sum(sizes.values()) / 2**30:,.0f} GB of tables beside the weights, "
            f"{largest} among them; correct its sizes, such as max_position_embeddings."
        )
