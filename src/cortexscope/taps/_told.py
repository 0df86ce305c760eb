"""What is known of a batch before it goes through the model, shown beside what is seen of it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from cortexscope.taps._tokens import Tokens

__all__ = ["MaskedPredictions", "MaskedWordPredictions", "Text"]


@dataclass(frozen=True, slots=True)
class Text:
    """How long the texts are that the tokens stand for."""

    sizes: Float[Tensor, " prompt"]
    """Bytes in UTF-8 of the text of the tokens that are predicted."""

    @property
    def tokens(self) -> Bool[Tensor, "prompt 1"]:
        """Which prompts there are, as if each were one token."""
        return self.sizes[:, None] >= 0


@dataclass(frozen=True, slots=True)
class MaskedPredictions:
    """What a masked model predicts at each token while it is hidden, in passes of its own."""

    positions: Tokens
    """Which tokens were hidden; special ones are not."""
    surprisal: Float[Tensor, "prompt token"]
    """-ln of the probability of the token that is there."""

    @property
    def tokens(self) -> Bool[Tensor, "prompt token"]:
        """Which places hold a token that was hidden."""
        return self.positions.mask


@dataclass(frozen=True, slots=True)
class MaskedWordPredictions(MaskedPredictions):
    """The same while the later tokens of its word are hidden too."""
