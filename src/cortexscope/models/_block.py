"""What one block is made of, found by structure: attention, mixers, neurons, experts."""

from __future__ import annotations

import inspect
import math
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from cortexscope.models._experts import Experts, find_experts, is_inside

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Block", "Linear", "Mixer", "common_width", "find_blocks", "matrices"]

_ATTENTION = re.compile(r"att(ention|n)|multihead", re.IGNORECASE)

# A mixer that is no softmax attention is known by the parameters that are its mechanism.
_MIXERS = (
    (("A_log", "D"), "state space"),
    (("A_log", "dt_bias"), "linear attention"),
    (("time_decay", "time_first"), "linear attention"),
    (("recurrent_param",), "gated linear recurrence"),
)


@dataclass(frozen=True, slots=True)
class Mixer:
    """A part that moves information between tokens without softmax attention."""

    path: str
    kind: str
    """`state space`, `linear attention` or `gated linear recurrence`."""


@dataclass(frozen=True, slots=True)
class Block:
    """The parts of one block, as module paths from the model's root; None where it has none."""

    path: str
    attention: str | None
    """Self-attention."""
    cross_attention: str | None
    """Attention to another stack."""
    attention_input: str | None
    """The first matrix of self-attention that reads the residual stream, normed or not."""
    attention_output: str | None
    """The last matrix of self-attention, which leads back to the residual stream."""
    mixers: tuple[Mixer, ...]
    mlp: tuple[str, ...]
    """The matrices of the MLP, in order of definition; experts have their own."""
    neurons: str | None
    """The down projection of the MLP; its input are the neurons' activations."""
    mlp_output: str | None
    """What leads from the MLP back to the residual stream: the part around the down projection if
    it is a function of one state and has no norm, which may scale or gate what it gives; else the
    down projection; with experts the part around them, which weighs and sums them."""
    attention_scale: float
    """What the block multiplies the output of self-attention with before it adds it."""
    mlp_scale: float
    """Likewise that of the MLP."""
    mlp_input: str | None
    """The first matrix that leads to the neurons, and reads the residual stream, normed or not."""
    gated: bool
    """Whether those are the product of a gate and a value."""
    router: str | None
    """Scores the experts for each token."""
    experts: str | None
    """Holds the experts."""
    expert_count: int
    """Number of routed experts, 0 where there are none."""

    def at(self, path: str) -> Block:
        """Return the same parts of a block at another path."""

        def moved(value: Any) -> Any:  # noqa: ANN401 - as the fields are
            if isinstance(value, str) and is_inside(value, self.path):
                return path + value[len(self.path) :]
            if isinstance(value, Mixer):
                return Mixer(moved(value.path), value.kind)
            return tuple(map(moved, value)) if isinstance(value, tuple) else value

        return Block(**{own.name: moved(getattr(self, own.name)) for own in fields(self)})


class Linear(NamedTuple):
    """A matrix, whatever class holds it."""

    path: str
    inputs: int
    outputs: int


def find_blocks(
    blocks: Mapping[str, nn.Module], *, width: int | None, crosses: bool
) -> dict[str, Block]:
    """Return the parts of blocks by their paths.

    Most blocks of a stack are alike, and their parts are looked for once.

    Args:
        blocks: the modules, by their paths from the model's root.
        width: features of the residual stream, None if nothing tells.
        crosses: whether a second attention is one to another stack.
    """
    known: dict[Hashable, Block] = {}
    found = {}
    for path, block in blocks.items():
        structure = _structure(block)
        if structure not in known:
            known[structure] = _find_block(block, path, width=width, crosses=crosses)
        found[path] = known[structure].at(path)
    return found


# By what a matrix says how large it is: the Conv1D of transformers has other names.
_SIZES = (("in_features", "out_features"), ("nx", "nf"))
_SCALES = ("residual_multiplier", "attn_out_multiplier")


def _structure(block: nn.Module) -> Hashable:
    """Return all that the parts of a block are found by."""
    parts = (
        (
            path,
            type(part),
            vars(part).get("forward"),
            *_sizes_of(part),
            *((name, p.shape) for name, p in part._parameters.items() if p is not None),
        )
        for path, part in block.named_modules()
    )
    return _scale(block, *_SCALES), _scale(block, *_SCALES[:1]), *parts


def _sizes_of(part: nn.Module) -> Iterator[int | None]:
    """Yield the sizes that a module has itself; what it forwards to is a part of it."""
    own = vars(part)
    for name in (*_SIZES[0], *_SIZES[1]):
        # To ask a module for what it has not takes longer than all the rest.
        size = getattr(part, name) if hasattr(type(part), name) else own.get(name)
        yield size if isinstance(size, int) else None


def _find_block(block: nn.Module, path: str, *, width: int | None, crosses: bool) -> Block:
    mixers = tuple(_mixers(block))
    attentions = [
        found
        for found in _outermost_attention(block)
        if not any(is_inside(found, mixer.path) for mixer in mixers)
    ]
    apart = [*attentions, *(mixer.path for mixer in mixers)]
    experts, router = find_experts(block, apart)
    every = list(matrices(block))
    linears = [
        linear for linear in every if not any(is_inside(linear.path, other) for other in apart)
    ]
    neurons = None
    if experts is None:
        neurons = _down_projection(linears, width)

    def absolute(relative: str | None) -> str | None:
        return None if relative is None else f"{path}.{relative}"

    return Block(
        path=path,
        attention=absolute(attentions[0]) if attentions else None,
        cross_attention=absolute(attentions[1]) if crosses and len(attentions) > 1 else None,
        attention_input=absolute(_first_matrix(every, attentions, width)),
        attention_output=absolute(_last_matrix(every, attentions, width)),
        mixers=tuple(Mixer(f"{path}.{mixer.path}", mixer.kind) for mixer in mixers),
        mlp=() if neurons is None else tuple(f"{path}.{x}" for x in _mlp(linears, neurons)),
        neurons=None if neurons is None else absolute(neurons.path),
        mlp_output=absolute(_mlp_output(block, neurons, experts)),
        mlp_input=absolute(_fed_matrix(linears, neurons, width)),
        attention_scale=_scale(block, *_SCALES),
        mlp_scale=_scale(block, *_SCALES[:1]),
        gated=neurons is not None and _is_gated(linears, neurons),
        router=absolute(router),
        experts=None if experts is None else absolute(experts.path),
        expert_count=0 if experts is None else experts.number,
    )


def _mixers(block: nn.Module) -> Iterator[Mixer]:
    for name, child in block.named_children():
        for marks, kind in _MIXERS:
            if any(set(marks) <= set(part._parameters) for part in child.modules()):
                yield Mixer(name, kind)
                break


def _outermost_attention(block: nn.Module) -> list[str]:
    found: list[str] = []
    for path, part in block.named_modules():
        if not path or any(is_inside(path, outer) for outer in found):
            continue
        matrices = any(parameter.dim() > 1 for parameter in part.parameters())
        if matrices and _ATTENTION.search(type(part).__name__):
            found.append(path)
    return found


def _first_matrix(every: list[Linear], attentions: list[str], width: int | None) -> str | None:
    """Return the first matrix of the first attention that reads the width of the stream."""
    last = _last_matrix(every, attentions, width)
    begins = (
        linear.path
        for linear in every
        if attentions and is_inside(linear.path, attentions[0]) and linear.inputs == width
    )
    return next((path for path in begins if path != last), None)


def _last_matrix(every: list[Linear], attentions: list[str], width: int | None) -> str | None:
    """Return the last matrix of the first attention that leads to the width of the stream."""
    ends = [
        linear.path
        for linear in every
        if attentions and is_inside(linear.path, attentions[0]) and linear.outputs == width
    ]
    return ends[-1] if ends else None


def matrices(module: nn.Module) -> Iterator[Linear]:
    """Yield the matrices in order of definition; one that is wrapped or quantised counts once."""
    done: list[str] = []
    for path, part in module.named_modules():
        if any(is_inside(path, other) for other in done) and path not in done:
            continue
        for names in _SIZES:
            inputs, outputs = (getattr(part, name, None) for name in names)
            if isinstance(inputs, int) and isinstance(outputs, int):
                done.append(path)
                yield Linear(path, inputs, outputs)
                break


def common_width(blocks: nn.Module) -> int | None:
    """Return the size that most matrices begin or end with; None where there is no matrix."""
    sizes = Counter(size for linear in matrices(blocks) for size in linear[1:])
    return sizes.most_common(1)[0][0] if sizes else None


def _down_projection(linears: list[Linear], width: int | None) -> Linear | None:
    back = [linear for linear in linears if linear.outputs == width]
    ups = [linear for linear in linears if linear.inputs == width]
    # A down projection comes after the matrix that feeds it.
    fed = [
        linear
        for linear in back
        if any(up.path != linear.path and up.outputs % linear.inputs == 0 for up in ups)
    ]
    # Beside the MLP there may be narrower ones, of gates or of further inputs.
    return max(reversed(fed), key=lambda linear: linear.inputs, default=None)


def _mlp(linears: list[Linear], down: Linear) -> list[str]:
    """Return the matrices that lead to the neurons, and the one that leads away."""
    return [x.path for x in linears if x == down or x.outputs in (down.inputs, 2 * down.inputs)]


def _fed_matrix(linears: list[Linear], down: Linear | None, width: int | None) -> str | None:
    ups = (
        [] if down is None else [x for x in linears if x.path in _mlp(linears, down) and x != down]
    )
    return next((up.path for up in ups if up.inputs == width), None)


def _mlp_output(block: nn.Module, down: Linear | None, experts: Experts | None) -> str | None:
    if experts is not None:
        return experts.around or None
    if down is None:
        return None
    around = down.path.rpartition(".")[0]
    return around if around and _is_of_one_state(block.get_submodule(around)) else down.path


def _is_of_one_state(part: nn.Module) -> bool:
    """Return whether a module has one input and no norm, as one has that adds no stream itself."""
    normed = any("norm" in type(inner).__name__.lower() for inner in part.modules())
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    given = [
        parameter
        for parameter in inspect.signature(part.forward).parameters.values()
        if parameter.kind in places and parameter.default is inspect.Parameter.empty
    ]
    return len(given) == 1 and not normed


def _scale(block: nn.Module, *names: str) -> float:
    """Return the product of those numbers that a block has; some families name them alike."""
    return math.prod(float(getattr(block, name, 1.0)) for name in names)


def _is_gated(linears: list[Linear], down: Linear) -> bool:
    ups = [linear for linear in linears if linear.path != down.path]
    fused = any(linear.outputs == 2 * down.inputs for linear in ups)
    return fused or sum(linear.outputs == down.inputs for linear in ups) > 1
