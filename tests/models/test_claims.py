"""What a configuration claims is refused before anything is built of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cortexscope.errors import ModelFileError
from cortexscope.models import open_model


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 10**9),
        ("num_labels", 10**9),
        ("architectures", [[]]),
        ("architectures", "LlamaForCausalLM"),
    ],
)
def test_a_wild_claim_is_refused_by_its_key(llama: Path, key: str, value: Any) -> None:
    path = llama / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(ModelFileError, match=key):
        open_model(str(llama))
