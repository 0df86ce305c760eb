"""What the tests' models make of a state by their last norm and head, spelled out by family."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from panel import Case

__all__ = ["LAST_NORM", "head", "log_softmax", "predicted"]

LAST_NORM = {
    "gpt2": "transformer.ln_f",
    "bloom": "transformer.ln_f",
    "t5": "decoder.final_layer_norm",
    "falcon_h1": "model.final_layernorm",
    "bert": None,
}
"""Path of the last norm; `model.norm` where a family is not here, no norm where None."""


def head(twin: Any, states: np.ndarray) -> np.ndarray:
    """Return the logits of states after the last norm, [token, vocabulary]."""
    config = twin.config
    rows = torch.from_numpy(states)
    kind = config.model_type
    with torch.no_grad():
        if kind == "bert":
            found = twin.cls.predictions(rows)
        elif kind == "t5":
            found = twin.lm_head(rows * config.d_model**-0.5)
        else:
            found = twin.lm_head(rows)
    if kind == "cohere2":
        found = found * config.logit_scale
    elif kind == "granite":
        found = found / config.logits_scaling
    elif kind == "falcon_h1":
        found = found * config.lm_head_multiplier
    elif kind == "gemma2":
        found = config.final_logit_softcapping * torch.tanh(found / config.final_logit_softcapping)
    logits: np.ndarray = found.numpy()
    return logits


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    found: np.ndarray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return found


def predicted(case: Case) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the stack that predicts, its token ids, and the model's own logits of each token."""
    name = "decoder_input_ids" if "decoder_input_ids" in case.inputs else "input_ids"
    with torch.no_grad():
        logits = case.twin(**case.inputs).logits[0]
    stack = "encoder" if case.family.kind == "encoder" else "decoder"
    return stack, case.inputs[name][0].numpy(), logits.double().numpy()
