"""Whether models differ in a metric: raw, and at equal numbers of tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.stats._effect import Effect
from cortexscope.stats._permutation import p_value
from cortexscope.stats._units import Units, units_of

__all__ = ["ModelEffect", "model_effect"]

_TOGETHER = 128
_CONSTANT = 1e-12


@dataclass(frozen=True, slots=True)
class ModelEffect:
    """How strongly models differ over the prompts that all of them read."""

    raw: Effect
    """Holds what the models' tokenizers do to the lengths as well."""
    adjusted: Effect
    """With each prompt at one length in all models."""
    models: tuple[str, ...]
    clusters: tuple[str, ...]
    """The prompts; paraphrases of one count as one."""
    left_out: int
    """Prompts left out because one of the models has no value for them."""

    @property
    def n(self) -> int:
        """How many prompts."""
        return len(self.clusters)

    @property
    def p(self) -> float | None:
        """The p-value to report: the adjusted one, or None where it is undefined."""
        return self.adjusted.p


def model_effect(
    frame: pd.DataFrame | Units, *, rng: np.random.Generator, permutations: int = 2000
) -> ModelEffect:
    """Return whether models differ in their means over the same prompts, raw and adjusted.

    The prompt is the unit: the values of its paraphrases are averaged. F and omega squared are
    those of a two-way analysis of variance, model by prompt, so that prompts may differ as they
    like: the share of all variance, that of prompts among it (Vaughan and Corballis 1969,
    Psychological Bulletin 72, 204-213), and the partial one, of what prompts leave. For p, the
    differences of a prompt's values from its mean over the models change their sign together,
    prompt by prompt: two models are exchanged. That asks for no more than symmetric differences,
    where F itself, and exchanging several models, ask that all of them scatter alike.

    Adjusted: tokenizers cut a prompt into different numbers of tokens. Each model's value is taken
    along its own curve in log tokens (as `adjusted_values` fits it) to the mean of the prompt's log
    lengths over the models. What the curve's error does to a model's mean is spread over the
    prompts that it comes from, so that the same analysis counts it. Where one tokenizer makes
    several times as many tokens as another, that length may lie outside of what a model read.

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `n_tokens`,
            `value`; or its units.
        rng: draws the signs.
        permutations: how often they are drawn.

    Raises:
        UsageError: if columns are missing or contradict each other.

    Example:
        >>> ids = list("wxyz")
        >>> frame = pd.DataFrame({"model": list("aaaabbbb"), "task": "t", "prompt_id": ids * 2})
        >>> frame = frame.assign(cluster=ids * 2, n_tokens=9, value=[0, 0, 0, 0, 1, 2, 2, 3])
        >>> effect = model_effect(frame, rng=np.random.default_rng(0)).raw
        >>> round(effect.statistic, 6), effect.df, effect.df_residual
        (24.0, 1, 3)
    """
    units = units_of(frame)
    method = f"signs of prompts' differences between models flipped ({permutations})"
    raw = _effect(units.values, permutations, method, rng=rng)
    if raw.reason is not None or _one_length(units):
        note = method if raw.reason is not None else f"{method}; prompts have one length in all"
        adjusted = replace(raw, method=note)
    else:
        values, reason = _at_one_length(units)
        if values is None:
            adjusted = Effect.undefined(method, reason)
        else:
            adjusted = _effect(values, permutations, method, rng=rng)
    return ModelEffect(
        raw=raw, adjusted=adjusted, models=units.models, clusters=units.clusters,
        left_out=units.left_out,
    )  # fmt: skip


def _one_length(units: Units) -> bool:
    pairs = zip(units.bases, units.shared, strict=True)
    return all(np.allclose(own, shared, rtol=0, atol=1e-9) for own, shared in pairs)


def _at_one_length(units: Units) -> tuple[NDArray[np.float64] | None, str | None]:
    """Return values at the prompt's mean length, whose mean is the models' adjusted mean.

    Each holds its prompt's part in the error of the model's curve, [unit, model]; these parts add
    up to 0.
    """
    values = units.values.copy()
    n = len(units)
    for model, (basis, shared) in enumerate(zip(units.bases, units.shared, strict=True)):
        slopes, reason = units.slopes(model)
        if slopes is None:
            return None, reason
        away, within = basis - shared, units.centred(basis)
        left = units.centred(units.values[:, model]) - within @ slopes
        pull = np.linalg.pinv(within.T @ within, rcond=1e-12, hermitian=True) @ away.mean(axis=0)
        # Residuals are smaller than errors by the degrees of freedom that the fit used up.
        widening = np.sqrt(n / (n - len(units.tasks) - len(slopes)))
        values[:, model] -= away @ slopes + n * widening * (within @ pull) * left
    return values, None


def _effect(
    values: NDArray[np.float64], permutations: int, method: str, *, rng: np.random.Generator
) -> Effect:
    """Return the effect of the columns of values, [unit, model], with units as blocks."""
    n, models = values.shape
    if n == 0 or models < 2:
        reason = "no prompt has a value in every model" if n == 0 else "there is only one model"
        return Effect.undefined(method, reason)
    if n < 2:
        return Effect.undefined(method, "one prompt is too few")
    apart = values - values.mean(axis=1, keepdims=True)
    nothing = _CONSTANT * float(np.linalg.norm(values))
    if float(np.linalg.norm(apart - apart.mean(axis=0))) <= nothing:
        alike = float(np.linalg.norm(apart)) <= nothing
        reason = "the models have the same values" if alike else "models differ alike throughout"
        return Effect.undefined(method, reason)
    df, df_residual, total = models - 1, (n - 1) * (models - 1), (apart**2).sum()

    def statistic(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        explained = (sums**2).sum(axis=1) / n
        with np.errstate(divide="ignore"):
            return np.asarray((explained / df) / (np.maximum(total - explained, 0) / df_residual))

    found = float(statistic(apart.sum(axis=0, keepdims=True))[0])
    # Few at a time, since the signs of 10,000 prompts are large.
    flipped = np.concatenate(
        [
            statistic(
                (2.0 * rng.integers(2, size=(min(_TOGETHER, permutations - start), n)) - 1.0)
                @ apart
            )
            for start in range(0, permutations, _TOGETHER)
        ]
    )
    # In mean squares of what is left.
    own = df * (found - 1.0)
    left = (total - (apart.sum(axis=0) ** 2).sum() / n) / df_residual
    prompts = models * float(values.mean(axis=1).var(ddof=1)) / left
    return Effect(
        found, df, df_residual, own / (own + n * (prompts + models - 1)),
        own / (own + n * models), p_value(found, flipped), method, permuted=flipped,
    )  # fmt: skip
