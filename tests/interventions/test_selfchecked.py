"""A changed model is measured as rightly as any: every check, on every kind of change."""

from __future__ import annotations

import pytest
from families import tiny_model

from cortexscope import Change, selfcheck

_CHANGES = [
    ("llama", "layers:2"),
    ("llama", "attention:2~mlp:3"),
    ("llama", "layers:1-3"),
    ("llama", "heads:2.1~neurons:1.0-40"),
    ("llama", "threshold:0.3~weights:int4"),
    ("gpt2", "layers:1~attention:3"),
    ("bert", "attention:2"),
    ("mixtral", "experts:1.3,2.0~attention:2"),
    ("deepseek_v3", "experts:2.0,3.5"),
    ("jamba", "layers:2"),
    ("t5", "layers:decoder.2~attention:encoder.1"),
]


@pytest.mark.parametrize(("family", "text"), _CHANGES)
def test_a_changed_model_passes_every_check(family: str, text: str) -> None:
    model = tiny_model(family)
    with Change.of(text).applied(model):
        findings = selfcheck(model)
    failed = {f.check: (f.place, f.sentence) for f in findings if f.passed is False}
    assert not failed
    assert {f.check for f in findings if f.passed}
