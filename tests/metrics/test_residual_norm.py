"""The residual norm agrees with numpy on the panel's families."""

from __future__ import annotations

import numpy as np
import pytest
from panel import PANEL, WAYS, Case, agree
from reference import Values

METRICS = ("residual_norm",)


def reference(case: Case) -> Values:
    return {
        ("residual_norm", stack.name, layer, None, None): float(
            np.linalg.norm(state, axis=-1).mean()
        )
        for stack in case.stacks
        for layer, state in enumerate(stack.states)
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", PANEL)
def test_it_equals_the_plain_computation(family: str, way: str) -> None:
    assert agree(family, way, METRICS, reference) > 0
