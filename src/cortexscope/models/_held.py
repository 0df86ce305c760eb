"""A model that is in memory already, such as one that is being trained, as a source of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from cortexscope.errors import UsageError
from cortexscope.models._attention import attention_of
from cortexscope.models._describe import count_parameters, sizes_of, stack_kind_of
from cortexscope.models._loading import Model, ModelSource
from cortexscope.models._options import LoadOptions
from cortexscope.models._switches import find_switches
from cortexscope.records import ModelInfo, TokenizerInfo

__all__ = ["HeldSource", "hold_model"]


@dataclass(frozen=True, slots=True)
class HeldSource(ModelSource):
    """A model in memory; it is measured in the precision and on the device where it is."""

    module: PreTrainedModel = field(kw_only=True)

    def outline(self) -> PreTrainedModel:
        """Return the model itself, which has all the structure that an outline has."""
        return self.module

    def load(self) -> Model:
        """Return the model, put into evaluation mode."""
        self.module.eval()
        device = self.module.get_input_embeddings().weight.device
        return Model(self.module, self.tokenizer, self.info, device)


def hold_model(
    module: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    *,
    label: str,
    training: str,
    step: int,
) -> HeldSource:
    """Return a model in memory as what a run measures.

    Args:
        module: a Hugging Face model, also inside wrappers such as those of PEFT.
        tokenizer: that it reads with.
        label: what the run calls it.
        training: what it is a checkpoint of, the folder where others are.
        step: how many updates of the weights were made.

    Raises:
        UsageError: if it is no Hugging Face model, or its weights are not whole in this process.
    """
    config = getattr(module, "config", None)
    if config is None or not hasattr(module, "get_input_embeddings"):
        raise UsageError(
            f"{type(module).__name__} is no model of transformers, whose configuration a run "
            "keeps; measure inside of your loop with cortexscope.attach."
        )
    spread = [own for own in module.parameters() if hasattr(own, "to_local") or not own.numel()]
    if spread:
        raise UsageError(
            "The weights are spread over several processes (FSDP or DeepSpeed), and a run reads "
            "whole ones; measure the checkpoints afterwards, with `cortexscope run` on the "
            "folder of the training."
        )
    held: PreTrainedModel = module
    weights = [own for own in held.parameters() if own.is_floating_point()]
    dtype = weights[0].dtype if weights else torch.float32
    reference = f"{training}@{step}"
    info = ModelInfo(
        model=label,
        reference=reference,
        checkpoint_of=training,
        training_step=step,
        name=str(getattr(config, "name_or_path", "") or type(held).__name__),
        family=config.model_type,
        stack_kind=stack_kind_of(held),
        parameters=count_parameters(held),
        dtype=str(dtype).removeprefix("torch."),
        attention=attention_of(config),
        tokenizer=TokenizerInfo(source="model", kind=type(tokenizer).__name__),
        **sizes_of(config, vocabulary=len(tokenizer))._asdict(),
    )
    device = held.get_input_embeddings().weight.device
    return HeldSource(
        label=label,
        reference=reference,
        folder=Path(training),
        config=config,
        tokenizer=tokenizer,
        info=info,
        options=LoadOptions(dtype=info.dtype, device=str(device)),
        lengths=find_switches(held).rule,
        module=held,
    )
