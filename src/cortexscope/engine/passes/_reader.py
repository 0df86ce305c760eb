"""A loaded model that reads batches of prompts: what every kind of pass is made with."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cortexscope.engine._batches import Batch
from cortexscope.errors import CortexscopeError, ModelError
from cortexscope.measure.finite import first_not_finite, not_finite
from cortexscope.measure.memory import ran_out
from cortexscope.models import Model, find_anatomy, find_switches
from cortexscope.records import Site, Stack
from cortexscope.taps import Receiver, Tap

__all__ = ["Reader"]


class Reader:
    """Runs a model, below its unembedding where that can be left out.

    Args:
        model: loaded.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.anatomy = find_anatomy(model.module)
        self.switches = find_switches(model.module)
        self._scope = model.module.get_submodule(self.anatomy.scope)
        tokenizer = model.tokenizer
        spare = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        # A token that was added to the tokenizer alone has no row in the embedding.
        rows = getattr(model.module.get_input_embeddings(), "num_embeddings", math.inf)
        self._padding = next(token for token in spare if token is not None and token < rows)
        parameters = inspect.signature(self._scope.forward).parameters
        # Keys and values kept for a next token would only cost memory.
        self._options = {"use_cache": False} if "use_cache" in parameters else {}

    @property
    def label(self) -> str:
        """The model's."""
        return self.model.info.model

    @property
    def has_pair(self) -> bool:
        """Whether it has an encoder and a decoder."""
        return len(self.anatomy.stacks) > 1

    @property
    def last(self) -> Site:
        """The site of what the model makes of its last stack."""
        return Site.final(self.anatomy.stacks[-1].name)

    def tap(self, needs: frozenset[str], receiver: Receiver, *, sample: int | None) -> Tap:
        """Return a tap on the model, to be entered."""
        return Tap(self.model.module, self.anatomy, needs=needs, receiver=receiver, sample=sample)

    def inputs(self, batch: Batch) -> dict[str, Tensor]:
        """Return what the model is given of a batch: ids and masks, [prompt, token]."""
        inputs = self.padded([item.ids for item in batch.items])
        if self.has_pair:
            targets = [item.target for item in batch.items if item.target is not None]
            inputs |= self.padded(targets, name="decoder_")
        return inputs

    def padded(self, rows: Sequence[Sequence[int]], *, name: str = "") -> dict[str, Tensor]:
        """Return token ids and their mask, padded on the right, under a stack's names for them."""
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self._padding)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row)
            mask[number, : len(row)] = 1
        device = self.model.device
        return {f"{name}input_ids": ids.to(device), f"{name}attention_mask": mask.to(device)}

    def tokens(self, inputs: Mapping[str, Tensor]) -> dict[Stack, Tensor]:
        """Return by stack which positions hold tokens."""
        stacks = [stack.name for stack in self.anatomy.stacks]
        names = ("attention_mask", "decoder_attention_mask")[: len(stacks)]
        return dict(zip(stacks, (inputs[name] for name in names), strict=True))

    def forward(self, **inputs: Any) -> Any:  # noqa: ANN401 - what the model returns
        """Run the model once."""
        # What a pass gives must not depend on those before it.
        self.switches.reset()
        return self._scope(**{**self._options, **inputs})

    def run(self, batch: Batch, **inputs: Any) -> Any:  # noqa: ANN401 - what the model returns
        """Run the model on a batch.

        Raises:
            ModelError: if it fails for another reason than memory; the prompt ids are named.
        """
        try:
            return self.forward(**inputs)
        except CortexscopeError:
            raise
        except Exception as error:
            if ran_out(error):
                raise
            raise self.failure(batch, error) from error

    def failure(self, batch: Batch, error: Exception) -> ModelError:
        """Return the error to raise where the model fails on a batch."""
        first, last = batch.items[0].prompt.id, batch.items[-1].prompt.id
        return ModelError(
            f"{self.label} failed on the batch of prompts {first} to {last} "
            f"({len(batch.items)} of up to {batch.longest} tokens): "
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}; "
            "a smaller --batch-tokens helps if memory ran out, --debug shows the whole error."
        )

    def not_finite(self, batches: Sequence[Batch]) -> str:
        """Return where numbers stop being finite in the first of some batches."""
        batch = batches[0]
        inputs = self.inputs(batch)
        module, anatomy = self.model.module, self.anatomy
        site = first_not_finite(
            module, anatomy, self.tokens(inputs), lambda: self.run(batch, **inputs)
        )
        # Of the last norm, should a second pass be finite after all.
        site = site or self.last
        dtype = getattr(torch, self.model.info.dtype)
        prompts = [item.prompt.id for batch in batches for item in batch.items]
        among = f"among the prompts {prompts[0]} to {prompts[-1]}" if prompts[1:] else prompts[0]
        return f"{not_finite(module, anatomy, site, dtype).rstrip('.')} ({among})"
