"""What a statistic of attention rows is asked for by, and what a wrong name says."""

from __future__ import annotations

import pytest
import torch

from cortexscope.errors import UnknownNameError
from cortexscope.taps import NEEDS, ROWS, AttentionRows, Tokens


def rows(**statistics: torch.Tensor) -> AttentionRows:
    tokens = Tokens(torch.ones(1, 2, dtype=torch.bool))
    return AttentionRows(tokens, torch.tensor([[[1, 2]]]), statistics)


def test_each_statistic_is_a_need_by_its_own_name() -> None:
    assert all(row.name == name for name, row in ROWS.items())
    assert [need for need in NEEDS if need.startswith("attention.")] == [
        *(f"attention.{name}" for name in ROWS),
        "attention.rows",
    ]


def test_what_nobody_asked_for_is_none() -> None:
    entropy = torch.zeros(1, 1, 2)
    assert rows(entropy=entropy).of("entropy") is entropy
    assert rows(entropy=entropy).of("first_key") is None
    assert rows().normalized is None


def test_a_misspelt_statistic_is_an_error_that_names_the_right_one() -> None:
    with pytest.raises(UnknownNameError, match="entropy"):
        rows().of("entropie")
