"""One forward pass with a probe, and everything that the probe saw, kept for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cortexscope.interventions import Removed
from cortexscope.measure.observer import Finished, Lengths, Observer, needs_of
from cortexscope.metrics.base.metric import Metric, Seen
from cortexscope.records import Site, Stack
from cortexscope.selfchecks._call import Call, Direct, direct, read_call
from cortexscope.selfchecks._subject import Batch, Subject
from cortexscope.taps import (
    MULTI_HEAD,
    SDPA,
    SOFTMAXES,
    AttentionRows,
    HiddenStates,
    Routing,
    Tap,
    Unread,
    seen_inside,
)

__all__ = ["Alter", "Reading", "Rows", "watch"]

Alter = Callable[[Site, Call, Tensor], Tensor | None]
"""Takes an attention's place, its call and its result; returns another result, or None."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The attention of one layer as the tap showed it, at the tokens: [token, head]."""

    entropy: Tensor
    first_key: Tensor
    visible: Tensor


@dataclass(slots=True)
class Reading:
    """What a probe saw in one forward pass."""

    output: Tensor = field(default_factory=lambda: torch.empty(0))
    """Of the model, at the tokens, [token, feature]."""
    values: dict[tuple[str, Site], Tensor | None] = field(default_factory=dict)
    """Of each metric, [prompt] or [prompt, part]; None where it does not apply."""
    lengths: Lengths = field(default_factory=dict)
    states: dict[Site, Tensor] = field(default_factory=dict)
    """At the tokens, [token, feature]."""
    rows: dict[Site, Rows] = field(default_factory=dict)
    routes: dict[Site, Routing] = field(default_factory=dict)
    direct: dict[Site, Direct] = field(default_factory=dict)
    """The same attention, computed plainly from the very call that the tap saw."""


class _Witness:
    """A receiver that keeps what it is shown, and passes it on to the metrics."""

    def __init__(self, subject: Subject, metrics: Sequence[Metric], *, keep: bool) -> None:
        self.reading = Reading()
        self.place: Site | None = None
        self._keep = keep
        self._observer = Observer(metrics, subject.anatomy, self._deliver) if metrics else None

    def _deliver(self, finished: Finished) -> None:
        self.reading.lengths = finished.lengths
        for metric, found in finished.results:
            for part in found:
                for number, site in enumerate(part.sites):
                    values = None if part.values is None else part.values[number]
                    self.reading.values[metric.spec.name, site] = values

    def begin(self) -> None:
        if self._observer is not None:
            self._observer.begin()

    def stack(self, stack: Stack, tokens: Tensor) -> None:
        if self._observer is not None:
            self._observer.stack(stack, tokens)

    def see(self, site: Site, seen: Seen | Unread | Removed) -> None:
        if isinstance(seen, AttentionRows):
            self.place = site
        if self._keep:
            self._keep_seen(site, seen)
        if self._observer is not None:
            self._observer.see(site, seen)

    def end(self) -> None:
        if self._observer is not None:
            self._observer.end()

    def _keep_seen(self, site: Site, seen: Seen | Unread | Removed) -> None:
        if type(seen) is HiddenStates:
            self.reading.states[site] = seen.values[seen.tokens].cpu()
        elif isinstance(seen, Routing):
            self.reading.routes[site] = seen
        elif not isinstance(seen, AttentionRows):
            return
        elif (entropy := seen.of("entropy")) is not None and (
            first_key := seen.of("first_key")
        ) is not None:
            parts = (entropy, first_key, seen.visible.expand(entropy.shape))
            taken = [part.transpose(1, 2)[seen.tokens].cpu() for part in parts]
            self.reading.rows[site] = Rows(*taken)


class _Bystander(TorchFunctionMode):
    """Sees each call that the tap takes for attention; may put another result in its place."""

    def __init__(
        self, witness: _Witness, subject: Subject, batch: Batch, alter: Alter | None
    ) -> None:
        super().__init__()
        self._witness = witness
        self._batch = batch
        self._turned = {
            stack.name for stack in subject.anatomy.stacks if stack.peculiar.head_after_query
        }
        self._alter = alter

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function that was called returns
        kwargs = kwargs or {}
        if func is MULTI_HEAD:
            with seen_inside(self):
                return func(*args, **kwargs)
        if func is not SDPA and func not in SOFTMAXES:
            return func(*args, **kwargs)
        self._witness.place = None
        result = func(*args, **kwargs)
        site = self._witness.place
        if site is None:
            return result
        call = read_call(func, args, kwargs, turned=site.stack in self._turned)
        # What is computed here is no attention of the model, and the tap must not see it.
        with torch._C.DisableTorchFunction(), torch.no_grad():
            if self._alter is not None:
                other = self._alter(site, call, result)
                return result if other is None else other
            tokens = self._batch.tokens_of(site.stack)
            self._witness.reading.direct[site] = direct(call, result, tokens)
        return result


def watch(
    subject: Subject,
    batch: Batch,
    *,
    metrics: Sequence[Metric] = (),
    needs: frozenset[str] = frozenset(),
    alter: Alter | None = None,
    called: nn.Module | None = None,
) -> Reading:
    """Return what a probe sees of one forward pass.

    Args:
        subject: the model.
        batch: what it reads.
        metrics: also computed.
        needs: what else must be seen; it is kept.
        alter: puts other results in the place of attentions.
        called: a copy of the model to watch instead, under the same anatomy.
    """
    witness = _Witness(subject, metrics, keep=bool(needs))
    module = subject.module if called is None else called
    tap = Tap(module, subject.anatomy, needs=needs | needs_of(metrics), receiver=witness)
    inner = module.get_submodule(subject.anatomy.scope) if subject.known else module
    with tap:
        if alter is None and not needs & {"attention.entropy", "attention.first_key"}:
            result = subject.forward(batch, inner)
        else:
            with _Bystander(witness, subject, batch, alter):
                result = subject.forward(batch, inner)
    witness.reading.output = subject.output(result, batch)
    return witness.reading
