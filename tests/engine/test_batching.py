"""How prompts are put together, as laws."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cortexscope.engine._plan import Encoded, batches_of, shards_of
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
