"""What a model is: its stacks, its sizes, its tokenizer, and places in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import Field

from cortexscope.records._record import Record

__all__ = ["ModelInfo", "Site", "Stack", "StackKind", "TokenizerInfo", "in_order"]

StackKind = Literal["encoder", "decoder", "encoder-decoder"]
"""What a whole model is: its attention looks both ways, back only, or one stack of each."""

Stack = Literal["encoder", "decoder", "cross"]
"""Where in a model something was measured."""

_ORDER = ("encoder", "decoder", "cross")


def in_order(stacks: Iterable[str]) -> tuple[str, ...]:
    """Return stacks in the order encoder, decoder, cross: the first is the one that reads prompts.

    Example:
        >>> in_order({"cross", "decoder", "encoder"})
        ('encoder', 'decoder', 'cross')
    """
    return tuple(sorted(stacks, key=lambda s: _ORDER.index(s) if s in _ORDER else len(_ORDER)))


class Site(NamedTuple):
    """A place in a model that is measured: a layer of a stack, its final output, or all of it."""

    stack: Stack
    layer: int | None
    """0 is the embedding output, 1..L are block outputs; None stands behind all of them."""

    @classmethod
    def final(cls, stack: Stack) -> Site:
        """Return where a stack's output is seen, after its last norm."""
        return cls(stack, None)

    @classmethod
    def whole(cls, stack: Stack) -> Site:
        """Return where what is of a whole stack belongs: a value over its layers, its predictions.

        In a table both have no layer.
        """
        return cls(stack, None)


class TokenizerInfo(Record):
    """Which tokenizer a model reads with, and what is done to a text before."""

    source: str
    """`model`, `adapter`, `model and adapter` where files of both make it, or the reference of the
    one that was asked for."""
    kind: str
    """Its class, such as `LlamaTokenizer`."""
    lower_case: bool = False
    """Whether texts are put into lower case first, as a sentence-transformers folder may ask."""
    longest: int | None = None
    """Most tokens of a text where a sentence-transformers folder limits them, else None."""


class ModelInfo(Record):
    """What is known of a loaded model; a row of `models.parquet`."""

    model: str
    """The label that names it in every output."""
    reference: str
    """What the user typed, aliases resolved."""
    base: str | None = None
    """The reference of the model that it is a variant of, None where nothing of it is changed."""
    change: str | None = None
    """What is changed of that one, in the text that `cortexscope.Change.of` reads."""
    checkpoint_of: str | None = None
    """The training that it is a checkpoint of: a folder, or a hub id; None where none is told."""
    training_step: int | None = None
    """How many updates of the weights were made before, as its name tells."""
    name: str
    """A readable name of the checkpoint, such as `HuggingFaceTB/SmolLM2-135M-Instruct`."""
    revision: str | None = None
    """The commit of a hub model, the version of a wheel, else None."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each file that decides what the model computes, by name."""
    family: str
    """`model_type` of its configuration, such as `llama`."""
    stack_kind: StackKind
    parameters: int
    """Number of parameters, tied ones counted once."""
    layers: int
    heads: int
    kv_heads: int
    hidden_size: int
    vocabulary: int
    context: int | None
    """Longest input in tokens, None where the model has no limit of its own."""
    dtype: str
    """Of the weights as loaded, such as `float32`; of those that are not quantised, if some are."""
    attention: str | None = None
    """The implementation of its attention, `sdpa` or `eager`; None where a run does not tell."""
    tokenizer: TokenizerInfo | None = None
    """None where a run does not tell."""
    quantization: str | None = None
    """How weights are quantised, such as `bnb-4bit` or, stored so, `gptq-4bit`; else None."""
    placement: dict[str, str] | None = None
    """The device of each part by module path, where a device map was asked for."""
    pickle: bool = False
    """Whether pickle weights were read (only ever by request)."""
    remote_code: bool = False
    """Whether code of the model's repository ran (only ever by request)."""
