"""How prompts are put together, as laws."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cortexscope.engine._batches import batches_of, shards_of
from cortexscope.engine._encode import Encoded
from cortexscope.models import LengthRule
from cortexscope.records import Prompt

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=60)


def encoded(sizes: list[int]) -> list[Encoded]:
    return [
        Encoded(Prompt(id=f"p{number}", task="t", text="x"), tuple(range(size)))
        for number, size in enumerate(sizes)
    ]


@given(lengths, st.integers(1, 1000))
def test_every_prompt_is_in_one_batch_within_the_budget(sizes: list[int], budget: int) -> None:
    batches = list(batches_of(encoded(sizes), batch_tokens=budget))
    ids = [item.prompt.id for batch in batches for item in batch.items]
    assert sorted(ids) == sorted(f"p{number}" for number in range(len(sizes)))
    for batch in batches:
        assert len(batch.items) == 1 or len(batch.items) * batch.longest <= budget
        assert len(batch.items[-1].ids) >= 0.75 * batch.longest
        assert batch.tokens == sum(len(item.ids) for item in batch.items)


@given(lengths, st.randoms(use_true_random=False))
def test_the_order_of_the_suite_does_not_matter(sizes: list[int], random) -> None:  # type: ignore[no-untyped-def]
    items = encoded(sizes)
    shuffled = random.sample(items, len(items))
    assert list(batches_of(items, batch_tokens=256)) == list(batches_of(shuffled, batch_tokens=256))


@given(lengths, st.integers(1, 5))
def test_shards_hold_all_batches_in_order(sizes: list[int], size: int) -> None:
    items = encoded(sizes)
    shards = shards_of(items, batch_tokens=256, shard_batches=size)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    joined = [batch for shard in shards for batch in shard.batches]
    assert joined == list(batches_of(items, batch_tokens=256))
    assert sum(shard.tokens for shard in shards) == sum(sizes)


@given(lengths, st.integers(1, 1000), st.integers(1, 300), st.booleans())
def test_no_batch_holds_lengths_that_are_read_otherwise(
    sizes: list[int], budget: int, border: int, graded: bool
) -> None:
    rule = LengthRule((border,), border if graded else None)
    batches = list(batches_of(encoded(sizes), batch_tokens=budget, lengths=rule))
    for batch in batches:
        found = {len(item.ids) for item in batch.items}
        assert len({length > border for length in found}) == 1
        assert not graded or max(found) <= border or len(found) == 1
    assert sum(len(batch.items) for batch in batches) == len(sizes)
