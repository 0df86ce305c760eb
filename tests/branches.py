"""What attention and MLP of a block add, and what their matrices read, by plain hooks."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from panel import Case

__all__ = ["Branches", "branches"]


class Branches(NamedTuple):
    """Of one prompt in one block, [token, feature]."""

    attention: np.ndarray
    mlp: np.ndarray
    neurons: np.ndarray | None
    """None where the block has experts."""
    attention_input: np.ndarray
    head_outputs: np.ndarray
    mlp_input: np.ndarray | None


class _Paths(NamedTuple):
    """In a block: what gives the two updates, and the down projection if there is one."""

    attention: str
    mlp: str
    down: str | None
    first: str
    """The matrix of the queries, or of queries, keys and values."""
    up: str | None
    heads: str | None = None
    """The output matrix of attention, where another part gives the update."""


_LLAMA = _Paths(
    "self_attn.o_proj", "mlp.down_proj", "mlp.down_proj", "self_attn.q_proj", "mlp.gate_proj"
)
_ROWS = {
    "gpt2": _Paths("attn.c_proj", "mlp.c_proj", "mlp.c_proj", "attn.c_attn", "mlp.c_fc"),
    "llama": _LLAMA,
    "gemma3_text": _Paths(
        "post_attention_layernorm",
        "post_feedforward_layernorm",
        "mlp.down_proj",
        "self_attn.q_proj",
        "mlp.gate_proj",
        "self_attn.o_proj",
    ),
    "bloom": _Paths(
        "self_attention.dense",
        "mlp.dense_4h_to_h",
        "mlp.dense_4h_to_h",
        "self_attention.query_key_value",
        "mlp.dense_h_to_4h",
    ),
    "mixtral": _Paths("self_attn.o_proj", "mlp", None, "self_attn.q_proj", None),
    "gpt_oss": _Paths("self_attn.o_proj", "mlp", None, "self_attn.q_proj", None),
    "bert": _Paths(
        "attention.output.dense",
        "output.dense",
        "output.dense",
        "attention.self.query",
        "intermediate.dense",
    ),
    "falcon_h1": _Paths(
        "self_attn.o_proj",
        "feed_forward.down_proj",
        "feed_forward.down_proj",
        "self_attn.q_proj",
        "feed_forward.gate_proj",
    ),
    "t5": _Paths(
        "layer.0.SelfAttention.o",
        "layer.{}.DenseReluDense",
        "layer.{}.DenseReluDense.wo",
        "layer.0.SelfAttention.q",
        "layer.{}.DenseReluDense.wi",
    ),
}


def branches(case: Case) -> dict[str, list[Branches]]:
    """Run a prompt; return what each block's branches gave, stack by stack."""
    twin, family = case.twin, case.family
    both = family.kind == "encoder-decoder"
    homes = {"encoder": twin.encoder, "decoder": twin.decoder} if both else {family.kind: twin}
    seen: dict[tuple[str, int, str], np.ndarray] = {}
    counts = {}
    paths = _ROWS[twin.config.model_type]
    read = {
        "neurons": paths.down,
        "attention_input": paths.first,
        "head_outputs": paths.heads or paths.attention,
        "mlp_input": paths.up,
    }

    def keep(key: tuple[str, int, str], state: Any) -> None:
        state = state[0] if isinstance(state, tuple) else state
        seen[key] = state.detach().double().numpy().reshape(-1, state.shape[-1])

    with ExitStack() as hooks, torch.no_grad():
        for name, home in homes.items():
            blocks = (home if both else home.base_model).get_submodule(family.blocks)
            counts[name] = len(blocks)
            last = "2" if name == "decoder" else "1"
            for number, block in enumerate(blocks):
                for part, path in (("attention", paths.attention), ("mlp", paths.mlp)):
                    end = block.get_submodule(path.format(last))
                    key = (name, number, part)
                    hook = end.register_forward_hook(lambda m, a, out, key=key: keep(key, out))
                    hooks.callback(hook.remove)
                for part, matrix in read.items():
                    if matrix is not None:
                        reader = block.get_submodule(matrix.format(last))
                        key = (name, number, part)
                        hook = reader.register_forward_pre_hook(
                            lambda m, args, key=key: keep(key, args)
                        )
                        hooks.callback(hook.remove)
        (twin if both else twin.base_model)(**case.inputs)
    return {
        name: [
            Branches(
                seen[name, number, "attention"],
                seen[name, number, "mlp"],
                seen.get((name, number, "neurons")),
                seen[name, number, "attention_input"],
                seen[name, number, "head_outputs"],
                seen.get((name, number, "mlp_input")),
            )
            for number in range(count)
        ]
        for name, count in counts.items()
    }
