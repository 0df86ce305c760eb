"""What each row of an attention's probabilities comes to, as a Triton kernel; needs triton.

A program reads some queries of a head and, block by block, the keys they see; no score leaves it.
With the largest score m of a row so far, e_j = exp(s_j - m), c the number of keys that are at m and
R the sum of e_j over the others, the row's entropy is log(c + R) + sum_j e_j (m - s_j) / (c + R).
All its terms are positive, so that a nearly certain row loses no digits. Where m grows by d, a sum
of e_j is multiplied by exp(-d), and that of e_j (m - s_j) first has d times the former added.
"""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["attention_rows"]

_PLAIN: tuple[str, ...] = ("queries", "keys", "bias_prompt", "bias_head")
_PLAIN += ("chosen_number", "chosen_prompt", "chosen_head", "chosen_row")
"""What the kernel is not compiled anew for where it is 1 or a multiple of 16."""


@triton.jit(do_not_specialize=_PLAIN)  # type: ignore[untyped-decorator]
def attention_rows(
    query: tl.tensor,  # [prompt, head, query, feature], the last of them side by side
    key: tl.tensor,  # [prompt, group, key, feature] likewise
    bias: tl.tensor,  # [prompt, head, query, key] if BIAS
    chosen: tl.tensor,  # [number, prompt, head, query]: keys, below 0 for none
    entropy: tl.tensor,  # [prompt, head, query] if ENTROPY, dense
    masses: tl.tensor,  # [number, prompt, head, query], dense: the probability on each chosen key
    queries: tl.tensor,
    keys: tl.tensor,
    scale: tl.tensor,
    query_prompt: tl.tensor,  # strides
    query_head: tl.tensor,
    query_row: tl.tensor,
    key_prompt: tl.tensor,
    key_group: tl.tensor,
    key_row: tl.tensor,
    bias_prompt: tl.tensor,
    bias_head: tl.tensor,
    bias_row: tl.tensor,
    bias_key: tl.tensor,
    chosen_number: tl.tensor,
    chosen_prompt: tl.tensor,
    chosen_head: tl.tensor,
    chosen_row: tl.tensor,
    CAUSAL: tl.constexpr,  # whether row i sees no key after key i
    BIAS: tl.constexpr,
    ENTROPY: tl.constexpr,
    CHOSEN: tl.constexpr,  # how many numbers there are
    SHARING: tl.constexpr,  # heads to a group
    FEATURES: tl.constexpr,
    WIDTH: tl.constexpr,  # as many features at a time, a power of two
    ROWS: tl.constexpr,  # queries of a program
    KEYS: tl.constexpr,  # keys of a block
) -> None:
    """Compute the entropy of some rows, and their probabilities on the chosen keys.

    Programs: blocks of queries, heads, prompts.
    """
    LOWEST: tl.constexpr = -104.0  # the exponential of less is 0 in float32
    HIDDEN: tl.constexpr = -1e9  # what hides a key is below
    head, prompt = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    first = tl.program_id(0) * ROWS
    row = tl.arange(0, ROWS)
    column = tl.arange(0, KEYS)
    feature = tl.arange(0, WIDTH)
    here = first + row < queries
    query += prompt * query_prompt + head * query_head + first.to(tl.int64) * query_row
    key += prompt * key_prompt + head // SHARING * key_group
    if BIAS:
        bias += prompt * bias_prompt + head * bias_head + first.to(tl.int64) * bias_row
    end = keys
    if CAUSAL:
        end = tl.minimum(keys, first + ROWS)

    most = tl.full([ROWS], float("-inf"), tl.float32)
    tied = tl.zeros([ROWS], tl.float32)
    rest = tl.zeros([ROWS], tl.float32)
    spread = tl.zeros([ROWS], tl.float32)
    for start in range(0, end, KEYS):
        start = tl.multiple_of(start, KEYS)
        there = start + column < keys
        scores = tl.zeros([ROWS, KEYS], tl.float32)
        block = key + start.to(tl.int64) * key_row
        for part in range(0, FEATURES, WIDTH):
            inside = part + feature < FEATURES
            some = tl.load(
                query + row[:, None] * query_row + part + feature[None, :],
                mask=here[:, None] & inside[None, :],
                other=0.0,
            )
            turned = tl.load(
                block + column[None, :] * key_row + part + feature[:, None],
                mask=there[None, :] & inside[:, None],
                other=0.0,
            )
            scores = tl.dot(some, turned, scores, input_precision="ieee")
        scores *= scale
        seen = there[None, :]
        if CAUSAL:
            seen = seen & (start + column[None, :] <= first + row[:, None])
        if BIAS:
            added = tl.load(
                bias + row[:, None] * bias_row + (start.to(tl.int64) + column[None, :]) * bias_key,
                mask=here[:, None] & there[None, :],
                other=0.0,
            ).to(tl.float32)
            scores += added
            seen = seen & ((added >= HIDDEN) | (added != added))
        scores = tl.where(seen, scores, float("-inf"))

        larger = tl.maximum(most, tl.max(scores, 1))
        # Of a row that has seen nothing, no difference is taken, which would be no number.
        top = tl.where(larger == float("-inf"), 0.0, larger)
        grown = tl.where(most == float("-inf"), 0.0, larger - most)
        below = scores - top[:, None]
        # Fused with the product by the scale, the difference of equals is not quite 0. What is no
        # number stays so.
        largest = (scores == top[:, None]) & (below == below)
        none = below <= LOWEST
        below = tl.where(none | largest, 0.0, below)
        share = tl.where(none, 0.0, tl.exp(below))
        shrunk = tl.exp(-grown)
        if ENTROPY:
            spread = shrunk * (spread + grown * (tied + rest)) - tl.sum(share * below, 1)
        # What has not grown is 0, or no number.
        rest = tl.where(grown > 0, shrunk * (tied + rest), rest + grown)
        rest += tl.sum(tl.where(largest, 0.0, share), 1)
        tied = tl.where(grown > 0, 0.0, tied) + tl.sum(tl.where(largest, 1.0, 0.0), 1)
        most = larger

    empty = (tied + rest) == 0
    others = tl.where(empty, 0.0, tied - 1 + rest)
    whole = 1 + others
    if ENTROPY:
        place = (prompt * tl.num_programs(1) + head) * queries
        # The logarithm of 1 + others without losing what is small beside 1 (Goldberg 1991).
        kept = tl.where(whole == 1, 1.0, whole - 1)
        logarithm = tl.where(whole == 1, others, tl.log(whole) * (others / kept))
        tl.store(entropy + place + first + row, logarithm + spread / whole, mask=here)
    for number in tl.static_range(CHOSEN):
        index = tl.load(
            chosen
            + number * chosen_number
            + prompt * chosen_prompt
            + head * chosen_head
            + (first + row) * chosen_row,
            mask=here,
            other=-1,
        )
        at = here & (index >= 0) & (index < keys) & ~empty
        if CAUSAL:
            at = at & (index <= first + row)
        score = tl.zeros([ROWS], tl.float32)
        for part in range(0, FEATURES, WIDTH):
            inside = at[:, None] & (part + feature[None, :] < FEATURES)
            some = tl.load(
                query + row[:, None] * query_row + part + feature[None, :], mask=inside, other=0.0
            )
            picked = tl.load(
                key + index[:, None] * key_row + part + feature[None, :], mask=inside, other=0.0
            )
            score += tl.sum(some.to(tl.float32) * picked.to(tl.float32), 1)
        score *= scale
        if BIAS:
            added = tl.load(bias + row * bias_row + index * bias_key, mask=at, other=0.0)
            added = added.to(tl.float32)
            score += added
            at = at & ((added >= HIDDEN) | (added != added))
        # Summed in another order than above, it may come out a little above the largest.
        below = score - most
        share = tl.exp(tl.where(below > 0, 0.0, below))
        mass = tl.where(at, share / whole, 0.0)
        place = ((number * tl.num_programs(2) + prompt) * tl.num_programs(1) + head) * queries
        tl.store(masses + place + first + row, mass, mask=here)
