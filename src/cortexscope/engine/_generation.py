"""How a model is to go on after a prompt: how far, and how each token is chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cortexscope.errors import UsageError
from cortexscope.records import ModelInfo

__all__ = ["Generation", "asked_generation", "check_generation", "choose", "rng_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Lets a model go on after each prompt and measures every token that it then reads.

    Without `sample` the likeliest token comes next, the first one where several are.

    Raises:
        UsageError: if a number is out of its range, or says how to sample where nothing is.
    """

    tokens: int
    """Most tokens a prompt; fewer where the model ends its text, or its context is full."""
    sample: bool = False
    """Draw each token from the model's distribution."""
    temperature: float = 1.0
    """Divides the logits first: below 1 likely tokens become likelier, above 1 less so."""
    top_p: float = 1.0
    """Draw from the fewest tokens whose probabilities sum up to so much."""
    seed: int = 0
    """Of what is drawn. Each prompt has a generator of its own, made of the seed and its id."""

    def __post_init__(self) -> None:
        for name, right, rule in (
            ("tokens", self.tokens >= 1, "at least 1"),
            ("temperature", 0 < self.temperature < np.inf, "above zero"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("seed", self.seed >= 0, "0 or more"),
        ):
            if not right:
                raise UsageError(
                    f"{name} of the generation is {getattr(self, name)}; it must be {rule}."
                )
        if not self.sample and (self.temperature, self.top_p, self.seed) != (1.0, 1.0, 0):
            raise UsageError(
                "A temperature, top-p or seed was given, and greedy generation draws nothing; ask "
                "for --sample too (sample=True in Python)."
            )


def asked_generation(
    tokens: int | None,
    *,
    sample: bool,
    temperature: float | None,
    top_p: float | None,
    seed: int | None,
) -> Generation | None:
    """Return what a command line asks for, None where it is no generation.

    Raises:
        UsageError: if it says how to generate and not how much, or says it wrongly.
    """
    given = {"temperature": temperature, "top_p": top_p, "seed": seed}
    chosen = {name: value for name, value in given.items() if value is not None}
    if tokens is None:
        if sample or chosen:
            named = "sample" if sample else next(iter(chosen))
            raise UsageError(
                f"--{named.replace('_', '-')} says how tokens are generated, and none are; ask for "
                "some with --generate N."
            )
        return None
    if not sample and chosen:
        named = next(iter(chosen)).replace("_", "-")
        raise UsageError(
            f"--{named} says how tokens are drawn, and without --sample the likeliest is taken; "
            "add --sample, or leave it out."
        )
    # A dictionary of numbers has no more precise type.
    return Generation(tokens=tokens, sample=sample, **chosen)  # type: ignore[arg-type]


def check_generation(generation: Generation | None, infos: Sequence[ModelInfo]) -> None:
    """Refuse to generate where no model can.

    Raises:
        UsageError: if all models read both ways.
    """
    if generation is None or any(info.stack_kind != "encoder" for info in infos):
        return
    names = ", ".join(info.model for info in infos)
    raise UsageError(
        f"{generation.tokens} tokens were to be generated, and {names} cannot: tokens of an "
        "encoder also see what comes after them, so that none is predicted to come next; name a "
        "decoder or an encoder-decoder, or leave --generate out."
    )


def rng_of(generation: Generation, prompt_id: str) -> np.random.Generator:
    """Return what draws the tokens of a prompt, the same in any batch and any order.

    Example:
        >>> drawn = Generation(tokens=1, sample=True)
        >>> rng_of(drawn, "a").random() == rng_of(drawn, "a").random()
        True
        >>> rng_of(drawn, "a").random() == rng_of(drawn, "b").random()
        False
    """
    digest = hashlib.sha256(prompt_id.encode()).digest()
    return np.random.default_rng([generation.seed, int.from_bytes(digest[:8])])


def choose(logits: np.ndarray, *, generation: Generation, rng: np.random.Generator) -> int:
    """Return a token drawn from the distribution of some logits.

    One number is drawn, and falls into a part of the line from 0 to 1 that is as long as the
    token is likely.

    Args:
        logits: of the tokens, [token].
        generation: its temperature and its top-p count.
        rng: draws.

    Example:
        >>> half = Generation(tokens=1, sample=True, top_p=0.5)
        >>> choose(np.log([0.1, 0.7, 0.2]), generation=half, rng=np.random.default_rng(0))
        1
    """
    scaled = np.asarray(logits, dtype=np.float64) / generation.temperature
    weights = np.exp(scaled - scaled.max())
    order = np.arange(len(weights))
    if generation.top_p < 1:
        order = np.argsort(-weights, kind="stable")
        weights = weights[order]
        before = np.cumsum(weights) - weights
        kept = before < generation.top_p * weights.sum()
        order, weights = order[kept], weights[kept]
    ends = np.cumsum(weights)
    place = np.searchsorted(ends, rng.random() * ends[-1], side="right")
    # Rounding may put the number at the very end.
    return int(order[min(int(place), len(order) - 1)])
