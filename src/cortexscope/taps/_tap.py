"""One context manager around a model's forward passes that shows metrics what goes on inside."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from cortexscope.errors import UnsupportedModelError, UsageError
from cortexscope.interventions import Removed, removed_from
from cortexscope.models import VISIBLE, Anatomy
from cortexscope.records import Site, Stack
from cortexscope.taps._attention_mode import AttentionMode
from cortexscope.taps._gone import is_gone
from cortexscope.taps._lens import LensReader
from cortexscope.taps._mixing import MixerNotes
from cortexscope.taps._place import Place
from cortexscope.taps._predictions import PredictionReader, Unread
from cortexscope.taps._readout import Readout
from cortexscope.taps._routing import RouterNotes
from cortexscope.taps._seen import Seen
from cortexscope.taps._stack import Reader, StackWatch
from cortexscope.taps._statistics import Rows, Statistics
from cortexscope.taps.rows import ROWS

__all__ = ["NEEDS", "Receiver", "Tap"]

NEEDS = {
    "hidden": "the hidden states of each layer",
    "final": "the state after the last norm",
    "neurons": "the activations of each MLP's neurons",
    "inputs.attention": "what the matrices of attention read",
    "inputs.heads": "what attention's heads hand to its output matrix",
    "inputs.mlp": "what the first matrices of each MLP read",
    "updates": "what attention and MLP add to the stream",
    **{f"attention.{name}": row.text for name, row in ROWS.items()},
    "attention.rows": "whole attention rows, of the tokens that stand for their prompts",
    "experts": "the router's distribution and its choice",
    "mixers": "the step size and the decay of recurrent mixers",
    "mixers.state": "the state of recurrent mixers after the last token",
    "predictions": "what the model predicts at each token",
    "predictions.next": "the probability of the token that comes next",
    "lens": "what the model would predict if it stopped after a layer",
    "text": "how many bytes the text has, which only cortexscope's own runs know",
    "masked": "the probability of each token while it is hidden, in passes of their own",
    "masked.word": "the same while the later tokens of its word are hidden too",
}
"""What can be seen, by the names that a metric's spec uses."""

"""The attention implementations of transformers that call softmax or torch's own attention."""


@runtime_checkable
class Receiver(Protocol):
    """Takes what a tap sees, in the order in which the model computes it."""

    def begin(self) -> None:
        """A forward pass begins."""

    def stack(self, stack: Stack, tokens: Bool[Tensor, "prompt token"]) -> None:
        """A stack begins to run; `tokens` says which of its positions are not padding."""

    def see(self, site: Site, seen: Seen | Unread | Removed) -> None:
        """What is at a site is there; it must not be changed, and only what is `held` of it kept.

        What a change has taken out of the stack is told as it begins.
        """

    def end(self) -> None:
        """The forward pass is over."""


class Tap:
    """Watch a model's forward passes while active; leave nothing behind, also after an error.

    Code that `torch.compile` made, of the model or around it, runs uncompiled meanwhile, since it
    shows nothing.

    Args:
        module: the model.
        anatomy: where its parts are.
        needs: what must be seen, by the names in `NEEDS`.
        receiver: takes what is seen.
        sample: how many tokens of a prompt stand for it where a measurement is costly; all of them
            where None.

    Raises:
        UsageError: when entered, if that happens inside of compiled code.
        UnsupportedModelError: when entered, if the model's attention shows no scores; during a
            forward pass, if something inside has not the shape that a block or an attention has,
            so that measuring it would not be true.
    """

    def __init__(
        self,
        module: nn.Module,
        anatomy: Anatomy,
        *,
        needs: frozenset[str],
        receiver: Receiver,
        sample: int | None = None,
    ) -> None:
        self._module = module
        self._scope = module.get_submodule(anatomy.scope)
        self._receiver = receiver
        self._routes = "experts" in needs
        self._mixes = bool(needs & {"mixers", "mixers.state"})
        blocks = [block for stack in anatomy.stacks for block in stack.blocks]
        self._hears = (self._routes and any(block.experts for block in blocks)) or (
            self._mixes and any(block.mixers for block in blocks)
        )
        self._wanted = tuple(row for name, row in ROWS.items() if f"attention.{name}" in needs)
        self._attends = any(need.startswith("attention.") for need in needs)
        self._watches = [
            StackWatch(
                module,
                stack,
                outer_mask=(
                    "decoder_attention_mask"
                    if len(anatomy.stacks) > 1 and stack.name == "decoder"
                    else "attention_mask"
                ),
                needs=needs,
                sample=sample,
                begin=self._stack_begins,
                show=self._show,
                end=self._stack_ends,
            )
            for stack in anatomy.stacks
        ]
        self._watches[-1].readers = _readers(module, anatomy, needs)
        self._running: list[StackWatch] = []
        self._removed: tuple[Removed, ...] = ()
        self._ran = False
        self._in_scope = False
        self._mode: AttentionMode | None = None
        self._exits = ExitStack()

    def __enter__(self) -> Tap:
        if self._attends:
            _check_attention(self._module)
        with ExitStack() as exits:
            if len(self._watches) > 1:
                exits.callback(self._scope.register_forward_pre_hook(self._before_scope).remove)
                exits.callback(
                    self._scope.register_forward_hook(self._after_scope, always_call=True).remove
                )
            inner = [self._scope, *(watch.backbone for watch in self._watches)]
            if self._module not in inner:
                exits.callback(self._module.register_forward_pre_hook(self._before_root).remove)
                exits.callback(self._module.register_forward_hook(self._after_root).remove)
            for watch in self._watches:
                for handle in watch.hook():
                    exits.callback(handle.remove)
            exits.callback(self._reset)
            exits.enter_context(_uncompiled(self._module))
            if self._attends or self._hears:
                self._mode = AttentionMode(
                    self._wanted,
                    place=self._place,
                    receive=self._attention,
                    notes=self._notes,
                    hears=self._hears,
                )
                exits.enter_context(self._mode)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    def _reset(self) -> None:
        self._running.clear()
        self._in_scope = False
        for watch in self._watches:
            watch.reset()
        if self._mode is not None:
            self._mode.forget()

    def _before_root(self, module: nn.Module, args: object) -> None:
        self._ran = False

    def _after_root(self, module: nn.Module, args: object, output: object) -> None:
        if not self._ran:
            raise self._watches[0].refuse(
                f"it ran without its blocks in {self._watches[0].anatomy.blocks[0].path}"
            )

    def _before_scope(self, module: nn.Module, args: object) -> None:
        self._reset()
        self._in_scope = True
        self._receiver.begin()

    def _after_scope(self, module: nn.Module, args: object, output: Any) -> None:  # noqa: ANN401
        finished = self._in_scope and output is not None
        self._reset()
        if finished:
            self._end()

    def _stack_begins(self, watch: StackWatch, tokens: Tensor) -> None:
        if not self._in_scope:
            # A stack that is called by itself, as generation calls an encoder.
            for other in self._watches:
                if other is not watch:
                    other.reset()
            self._running.clear()
            if self._mode is not None:
                self._mode.forget()
            self._receiver.begin()
        self._ran = True
        self._running.append(watch)
        self._receiver.stack(watch.anatomy.name, tokens)
        self._removed = removed_from(self._module)
        for removed in self._removed:
            if removed.site.stack == watch.anatomy.name:
                self._receiver.see(removed.site, removed)

    def _stack_ends(self, watch: StackWatch) -> None:
        self._running.remove(watch)
        if self._mode is not None:
            self._mode.forget()
        if not self._in_scope:
            self._end()

    def _show(self, site: Site, seen: Seen | Unread) -> None:
        # What metrics compute is no part of the model, and need not be heard: each of their calls
        # would take twice as long.
        if is_gone(self._removed, site, seen):
            return
        with torch._C.DisableTorchFunction():
            self._receiver.see(site, seen)

    def _end(self) -> None:
        with torch._C.DisableTorchFunction():
            self._receiver.end()

    def _place(self) -> Place | None:
        return self._running[-1].place() if self._running and self._attends else None

    def _notes(self) -> RouterNotes | MixerNotes | None:
        if not self._running:
            return None
        watch = self._running[-1]
        return watch.mixing or (watch.notes if self._routes else None)

    def _attention(self, rows: Statistics, visible: Tensor, whole: Rows) -> None:
        if self._running:
            self._running[-1].attention(rows, visible, whole)


def _readers(module: nn.Module, anatomy: Anatomy, needs: frozenset[str]) -> tuple[Reader, ...]:
    """Return what reads the model's predictions, where they are asked for."""
    readout, stack = Readout(module, anatomy), anatomy.stacks[-1]
    signature = inspect.signature(module.get_submodule(stack.backbone).forward)
    norm = None if stack.final_norm is None else module.get_submodule(stack.final_norm)
    both_ways = stack.name == "encoder"
    readers: tuple[Reader, ...] = (
        PredictionReader(readout, signature, both_ways=both_ways),
        LensReader(readout, norm),
    )
    return tuple(reader for reader in readers if needs & set(reader.needs))


@contextmanager
def _uncompiled(module: nn.Module) -> Iterator[None]:
    """Let what `torch.compile` made run uncompiled: of the model, a part, or what calls it."""
    try:
        stance = torch.compiler.set_stance("force_eager")
    except RuntimeError as error:
        raise UsageError(
            f"{type(module).__name__} is watched from inside of code that torch.compile runs, "
            "where nothing can be made to run uncompiled; open the probe around the call of that "
            "code."
        ) from error
    with stance:
        yield


def _check_attention(module: nn.Module) -> None:
    # To ask a module for what it has not takes longer than all the rest.
    configs = {id(own): own for part in module.modules() if (own := vars(part).get("config"))}
    for config in configs.values():
        used = getattr(config, "_attn_implementation", None)
        if isinstance(used, str) and used not in VISIBLE:
            raise UnsupportedModelError(
                f"{type(module).__name__} runs its attention as {used!r}, which shows no scores; "
                "load it with attention 'sdpa' or 'eager' (model.set_attn_implementation('sdpa')), "
                "or ask for no attention metric."
            )
