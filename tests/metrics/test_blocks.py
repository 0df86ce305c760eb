"""Sums of many sites side by side, beside the same sums a site each."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from cortexscope.metrics.base.states import (
    Block,
    Blocks,
    State,
    Sums,
    add,
    beside,
    concatenate,
    mapped,
    merge,
    select,
    side_by_side,
)
from cortexscope.records import Site

SITES = tuple(Site("decoder", layer) for layer in range(5))


def sums_of(seed: int, prompts: int = 3) -> dict[str, Tensor]:
    made = torch.Generator().manual_seed(seed)
    return {
        "total": torch.rand(prompts, 2, generator=made, dtype=torch.float64),
        "count": torch.randint(9, (prompts,), generator=made).double(),
    }


APART: State = {site: sums_of(place) for place, site in enumerate(SITES)}


def block_of(*places: int) -> Block:
    own = [APART[SITES[place]] for place in places]
    return Block(
        tuple(SITES[place] for place in places),
        {name: torch.stack([sums[name] for sums in own]) for name in own[0]},
    )


def check_same(found: State, wanted: State) -> None:
    assert list(found) == list(wanted)
    assert len(found) == len(wanted)
    for site, sums in wanted.items():
        assert site in found
        assert found[site].keys() == sums.keys()
        for name, value in sums.items():
            assert torch.equal(found[site][name], value)


def test_a_block_is_a_state_of_its_sites() -> None:
    state = beside(beside({}, block_of(0)), block_of(1, 2, 3, 4))
    assert isinstance(state, Blocks)
    check_same(state, APART)
    assert SITES[4] in state
    assert Site("encoder", 0) not in state
    assert state.get(Site("encoder", 0)) is None
    with pytest.raises(KeyError):
        state[Site("encoder", 0)]


def test_what_is_done_to_states_is_done_to_blocks() -> None:
    state = beside({}, block_of(0, 1, 2, 3, 4))
    check_same(merge(state, state), merge(APART, APART))
    check_same(concatenate(state, state), concatenate(APART, APART))
    check_same(concatenate({}, state), APART)
    check_same(select(state, [2, 0]), select(APART, [2, 0]))
    more = sums_of(7)
    check_same(add(state, SITES[2], more), add(APART, SITES[2], more))
    twice = lambda sums: {name: 2 * value for name, value in sums.items()}  # noqa: E731
    check_same(mapped(state, twice), mapped(APART, twice))


def test_a_site_that_is_seen_again_is_added_to() -> None:
    state = beside(beside({}, block_of(0, 1)), block_of(1, 2))
    wanted = merge({site: APART[site] for site in SITES[:2]}, {s: APART[s] for s in SITES[1:3]})
    check_same(state, wanted)
    assert torch.equal(state[SITES[1]]["total"], 2 * APART[SITES[1]]["total"])
    # One that was shown alone is there as it was.
    one = {SITES[0]: APART[SITES[0]]}
    check_same(beside(one, block_of(1)), {site: APART[site] for site in SITES[:2]})


@pytest.mark.parametrize(
    "state",
    [
        APART,
        beside(beside({}, block_of(0)), block_of(1, 2, 3, 4)),
        beside(beside({}, block_of(3, 4)), block_of(2, 0, 1)),
    ],
)
def test_sums_are_given_side_by_side_in_the_order_asked_for(state: State) -> None:
    for sites in (SITES, SITES[1:4], SITES[::-1], (Site("encoder", 1), SITES[2])):
        (found,) = side_by_side(state, sites)
        assert found.sites == tuple(site for site in sites if site in APART)
        for place, site in enumerate(found.sites):
            for name, value in APART[site].items():
                assert torch.equal(found.sums[name][place], value)
    assert [*side_by_side(state, [Site("encoder", 1)])] == []


def test_sums_of_unlike_shapes_or_names_stay_apart() -> None:
    wide: Mapping[Site, Sums] = {
        SITES[0]: {"total": torch.zeros(3, 2)},
        SITES[1]: {"total": torch.zeros(3, 4)},
        SITES[2]: {"total": torch.ones(3, 2)},
        SITES[3]: {"total": torch.ones(3, 2), "tokens": torch.ones(3)},
    }
    found = [block.sites for block in side_by_side(wide, SITES)]
    assert found == [(SITES[0], SITES[2]), (SITES[1],), (SITES[3],)]
