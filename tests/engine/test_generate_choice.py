"""How a generated token is chosen, and what cannot be asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortexscope.engine import Generation, asked_generation
from cortexscope.engine._generation import choose, rng_of
from cortexscope.errors import UsageError

WEIGHTS = np.array([0.05, 0.5, 0.15, 0.3])
NOTHING: dict[str, Any] = {"sample": False, "temperature": None, "top_p": None, "seed": None}


def shares(generation: Generation, *, draws: int = 4000) -> np.ndarray:
    rng = np.random.default_rng(7)
    logits = np.log(WEIGHTS) + 3
    drawn = [choose(logits, generation=generation, rng=rng) for _ in range(draws)]
    return np.bincount(drawn, minlength=len(WEIGHTS)) / draws


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_as_often_as_they_are_likely(temperature: float) -> None:
    wanted = WEIGHTS ** (1 / temperature)
    wanted = wanted / wanted.sum()
    got = shares(Generation(tokens=1, sample=True, temperature=temperature))
    # Four standard errors of a share.
    np.testing.assert_array_less(abs(got - wanted), 4 * np.sqrt(wanted * (1 - wanted) / 4000))


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.4, [1]), (0.5, [1]), (0.51, [1, 3]), (0.9, [1, 2, 3]), (1.0, range(4))]
)
def test_top_p_keeps_the_fewest_tokens_that_have_so_much(top_p: float, kept: list[int]) -> None:
    got = shares(Generation(tokens=1, sample=True, top_p=top_p), draws=400)
    assert set(np.flatnonzero(got)) == set(kept)


@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=20),
    st.floats(0.1, 10),
    st.floats(0.01, 1),
    st.integers(0, 2**32),
)
def test_what_is_drawn_is_a_token_and_can_be_drawn_again(
    logits: list[float], temperature: float, top_p: float, seed: int
) -> None:
    generation = Generation(tokens=1, sample=True, temperature=temperature, top_p=top_p, seed=seed)
    token, again = (
        choose(np.array(logits), generation=generation, rng=rng_of(generation, "a"))
        for _ in range(2)
    )
    assert token == again
    assert 0 <= token < len(logits)


def test_each_prompt_and_each_seed_has_draws_of_its_own() -> None:
    drawn = {
        rng_of(Generation(tokens=1, sample=True, seed=seed), name).random()
        for seed in range(3)
        for name in ("a", "b", "c")
    }
    assert len(drawn) == 9


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"tokens": 0}, "tokens of the generation is 0; it must be at least 1"),
        ({"temperature": 0.0}, "temperature .* is 0.0; it must be above zero"),
        ({"temperature": float("nan")}, "temperature .* is nan"),
        ({"top_p": 0.0}, "top_p .* must be above 0 and at most 1"),
        ({"top_p": 1.1}, "top_p .* is 1.1"),
        ({"seed": -1}, "seed .* must be 0 or more"),
        ({"sample": False, "temperature": 0.5}, "greedy generation draws nothing"),
    ],
)
def test_numbers_out_of_range_are_refused(given: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Generation(**{"tokens": 3, "sample": True, **given})


def test_a_command_line_without_generation_asks_for_none() -> None:
    assert asked_generation(None, **NOTHING) is None
    assert asked_generation(3, **NOTHING) == Generation(tokens=3)
    drawn = asked_generation(3, **{**NOTHING, "sample": True, "top_p": 0.9, "seed": 4})
    assert drawn == Generation(tokens=3, sample=True, top_p=0.9, seed=4)


@pytest.mark.parametrize(
    ("tokens", "given", "named"),
    [
        (None, {"sample": True}, "--sample says how .* with --generate N"),
        (None, {"top_p": 0.9}, "--top-p says how .* with --generate N"),
        (3, {"seed": 1}, "--seed says how tokens are drawn, and without --sample"),
        (3, {"temperature": 1.0}, "--temperature says how tokens are drawn"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    tokens: int | None, given: dict[str, Any], named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        asked_generation(tokens, **{**NOTHING, **given})
