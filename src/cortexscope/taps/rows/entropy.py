"""The Shannon entropy of each row in nats.

For scores `s_ij = scale * q_i . k_j` with log-sum-exp `lse_i`, the entropy of row i is
`lse_i - scale * q_i . sum_j p_ij k_j`.
"""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cortexscope.taps._direct import direct_rows, whole_rows
from cortexscope.taps._kernel_rows import KernelRows, dot_per_group
from cortexscope.taps._statistics import Outcomes, RowStatistic

__all__ = ["Entropy"]

_ROUNDING = 2.0**-23
"""Of a float32 log-sum-exp and of the mean score that is taken from it, relative."""

_ENOUGH = (1e-6, 5e-6)
"""The error of a head's mean entropy that needs no second look: in nats, and as a share of it."""


class Entropy(RowStatistic):
    """The Shannon entropy of each row in nats."""

    name = "entropy"
    text = "the entropy of each attention row"
    averages = True

    def of_outcomes(self, rows: Outcomes) -> Float[Tensor, "prompt head row"]:
        """Sum over outcomes, a learned sink being one."""
        entropy: Tensor = torch.special.entr(rows.probabilities).sum(-1)
        return entropy

    def of_kernel(self, rows: KernelRows) -> Float[Tensor, "prompt head query"]:
        """Return the log-sum-exp less the mean score, the nearly certain heads without rounding.

        A head that puts nearly all attention on one key has an entropy far smaller than its
        log-sum-exp, so that the difference of the two is mostly rounding. Over many rows that
        cancels out; the few heads of short prompts where it does not have their scores computed
        directly, and their softmax in float64.
        """
        assert rows.expected is not None
        average: Tensor = (rows.query.float() * rows.expected.float()).sum(-1)
        average = average.add_(dot_per_group(rows.query, rows.mean)).mul_(rows.scale)
        ceiling = rows.mask.visible.log().to(rows.lse.dtype)
        entropy = torch.minimum((rows.lse - average).clamp_(min=0), ceiling)
        if rows.tokens is None:
            return entropy
        prompts, heads = _doubtful(entropy, rows.lse, rows.tokens).nonzero(as_tuple=True)
        if not len(prompts):
            return entropy
        groups = heads // (rows.query.shape[1] // rows.key.shape[1])
        single = rows.mask.of(prompts, heads)
        whole = partial(
            whole_rows,
            rows.query[prompts, heads][:, None],
            rows.key[prompts, groups][:, None],
            single,
            rows.scale,
            precise=True,
        )
        sharp = entropy.double()
        sharp[prompts, heads] = direct_rows(whole, single, (self,))[self.name][:, 0]
        return sharp


def _doubtful(
    entropy: Tensor, lse: Tensor, tokens: Bool[Tensor, "prompt query"]
) -> Bool[Tensor, "prompt head"]:
    """Return which heads are in doubt, which their tokens alone decide and not padding."""
    keep = tokens[:, None]
    count = keep.sum(-1)
    mean = torch.where(keep, entropy, 0).sum(-1) / count
    size = torch.where(keep, lse.abs(), 0).sum(-1) / count
    doubt = 3 * _ROUNDING * size / count.sqrt()
    return (doubt > _ENOUGH[0]) & (doubt > _ENOUGH[1] * mean)
