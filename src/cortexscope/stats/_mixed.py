"""A linear mixed model of a metric: task, model and length, and the prompt as random effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.stats._clusters import constant
from cortexscope.stats._length_curve import LengthCurve
from cortexscope.stats._reml import Fitted, fitted, reduced
from cortexscope.stats._units import coded, known_rows

__all__ = ["CAUTION", "MixedFit", "MixedModel", "Residuals", "Wald", "mixed_model"]

CAUTION = (
    "Wald tests take the variances for known, and alike at all lengths and in all models: with few "
    "prompts, or where some scatter more, they reject too often; report task_effect and "
    "model_effect instead"
)
"""What to keep in mind of the p-values here."""

Floats = NDArray[np.float64]

_CONSTANT = 1e-12
_SAME = 1e-9
_REML = "REML, a random intercept a prompt"
_OLS = "ordinary least squares"


@dataclass(frozen=True, slots=True)
class Wald:
    """Whether a factor's coefficients are all 0, or why this is unknown."""

    statistic: float | None
    """The coefficients' squared length in standard errors; about `df` where the factor does
    nothing."""
    df: int | None
    """Number of coefficients."""
    p: float | None
    """From chi squared; of ordinary least squares from F. Never 0. See `CAUTION`."""
    reason: str | None = None
    """Why the numbers are undefined."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """How far what is left, with prompts taken out, looks as a linear model assumes."""

    skewness: float
    """0 for symmetric ones."""
    kurtosis: float
    """Excess kurtosis: 0 for normal ones, above for heavy tails."""
    normality: float
    """Shapiro and Francia's W', the squared correlation with normal quantiles: 1 for normal ones,
    about 0.82 for 1000 of an exponential distribution."""
    spread_ratio: float | None
    """Standard deviation in the third of the largest fitted values over that in the third of the
    smallest, each with all that equal its last; 1 where they scatter alike. None where the latter
    do not scatter."""


@dataclass(frozen=True, slots=True)
class MixedFit:
    """One fit, or why there is none."""

    formula: str
    """What was fitted."""
    method: str
    """How: REML, or ordinary least squares where prompts have one value each."""
    n: int
    """Values: one a model and prompt, paraphrases on their own."""
    clusters: int
    """Prompts; paraphrases of one count as one."""
    variance_prompt: float | None
    """Variance of what prompts add, alike in all models."""
    variance_residual: float | None
    """Variance of the rest."""
    log_likelihood: float | None
    """Restricted; only fits of one formula are comparable."""
    converged: bool | None
    """Whether the likelihood's maximum was found."""
    singular: bool | None
    """Whether the variance of prompts is estimated as 0."""
    task: Wald
    model: Wald
    length: Wald
    residuals: Residuals | None
    reason: str | None = None
    """Why there is no fit, or none with a random effect."""


@dataclass(frozen=True, slots=True)
class MixedModel:
    """The model with and without length."""

    raw: MixedFit
    """value ~ task + model + (1 | prompt)."""
    adjusted: MixedFit
    """value ~ task + model + spline(log tokens) + (1 | prompt)."""
    caution: str = CAUTION


def mixed_model(frame: pd.DataFrame, *, standardised: bool = False) -> MixedModel:
    """Return a linear mixed model of the values, without length and with it.

    Fixed effects: task, model and a natural cubic spline in log tokens, one for all models
    (`length_basis`). Random: an intercept a prompt, which its paraphrases and all models share.
    Variances are those of restricted maximum likelihood, as statsmodels' `MixedLM` and lme4 have
    them, found along their ratio, the only parameter that is left. The Wald tests are
    there to be compared with others' results and are not the tests to report: see `CAUTION`.

    A model that reads each prompt once does not tell prompts from the rest: ordinary least squares
    are fitted then, and `reason` says so.

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `n_tokens`,
            `value`. Values that are not finite are left out one by one.

        standardised: whether several models' values are standard scores, so that one variance can
            be true of all, whatever their scales. Models do not differ then.

    Raises:
        UsageError: if columns are missing or contradict each other.

    Example:
        >>> ids = list("wxyz")
        >>> frame = pd.DataFrame({"model": list("aaaabbbb"), "task": "t", "prompt_id": ids * 2})
        >>> frame = frame.assign(cluster=ids * 2, n_tokens=9, value=[0, 2, 4, 6, 1, 1, 5, 5])
        >>> fit = mixed_model(frame).raw
        >>> round(fit.variance_prompt, 3), round(fit.variance_residual, 3)
        (5.333, 0.667)
    """
    known, _ = known_rows(frame)
    alike = standardised and known["model"].nunique() > 1
    if alike:
        known = _standard_scores(known)
    no_model = (
        "each model is standardised, so that their means are equal"
        if alike
        else "there is only one model"
    )
    return MixedModel(
        raw=_fit(known, no_model, curved=False, models=not alike),
        adjusted=_fit(known, no_model, curved=True, models=not alike),
    )


def _standard_scores(known: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with each model's values as standard scores; constant models go."""
    groups = known.groupby("model")["value"]
    varied = groups.transform(lambda own: not constant(own.to_numpy(dtype=np.float64)))
    if not varied.any():
        return known
    scores = (known["value"] - groups.transform("mean")) / groups.transform("std")
    return known.assign(value=scores)[varied.astype(bool)]


def _fit(known: pd.DataFrame, no_model: str, *, curved: bool, models: bool) -> MixedFit:
    values = known["value"].to_numpy(dtype=np.float64)
    clusters, _ = coded(known["cluster"])
    factors = ("task", "model") if models else ("task",)
    blocks, spans = _design(known, factors, curved=curved)
    formula = " + ".join(["value ~ 1", *spans, "(1 | prompt)"])
    count = int(clusters.max(initial=-1)) + 1

    def nothing(reason: str) -> MixedFit:
        none = Wald(None, None, None, reason)
        return MixedFit(
            formula, _REML, len(values), count, None, None, None, None, None, none, none, none,
            None, reason,
        )  # fmt: skip

    if not len(values):
        return nothing("no prompt has a value")
    centre, scale = float(values.mean()), float(values.std())
    if scale * np.sqrt(len(values)) <= _CONSTANT * float(np.linalg.norm(values)):
        return nothing("the value is the same throughout")
    if len(values) <= blocks.shape[1]:
        return nothing(f"{len(values)} values are too few for {blocks.shape[1]} coefficients")
    if np.linalg.matrix_rank(reduced(blocks), rtol=1e-9) < blocks.shape[1]:
        return nothing("what task, model and length do cannot be told apart")
    # Values of about 1, so that no threshold depends on the metric's unit.
    fit = fitted((values - centre) / scale, blocks, clusters)
    if fit is None:
        return nothing("task, model, prompt and length explain every value")
    prompt = None if fit.ratio is None else fit.ratio * fit.scale * scale**2
    rows = len(values) - blocks.shape[1]
    return MixedFit(
        formula=formula if fit.ratio is not None else formula.removesuffix(" + (1 | prompt)"),
        method=_REML if fit.ratio is not None else _OLS,
        n=len(values), clusters=count, variance_prompt=prompt,
        variance_residual=fit.scale * scale**2,
        log_likelihood=fit.log_likelihood - rows * float(np.log(scale)),
        converged=fit.converged, singular=None if fit.ratio is None else fit.ratio == 0.0,
        task=_wald(fit, spans.get("task"), rows, "there is only one task"),
        model=_wald(fit, spans.get("model"), rows, no_model),
        length=_wald(
            fit, spans.get("spline(log tokens)"), rows,
            "all prompts have one length" if curved else "length is left out",
        ),
        residuals=_residuals(fit), reason=fit.reason,
    )  # fmt: skip


def _design(
    known: pd.DataFrame, factors: tuple[str, ...], *, curved: bool
) -> tuple[Floats, dict[str, slice]]:
    """Return the columns of all fixed effects, and which of them are whose."""
    parts, spans = [np.ones((len(known), 1))], {}
    for factor in factors:
        codes, names = coded(known[factor])
        parts.append(np.eye(len(names))[codes][:, 1:])
        spans[factor] = parts[-1].shape[1]
    if curved and len(known):
        basis = LengthCurve.over(known["n_tokens"]).columns(known["n_tokens"])
        left, sizes, _ = np.linalg.svd(basis - basis.mean(axis=0), full_matrices=False)
        parts.append(left[:, sizes > 1e-9 * np.sqrt(len(known))] * np.sqrt(len(known)))
        spans["spline(log tokens)"] = parts[-1].shape[1]
    places, start = {}, 1
    for name, width in spans.items():
        if width:
            places[name] = slice(start, start + width)
        start += width
    return np.hstack(parts), places


def _wald(fit: Fitted, span: slice | None, rows: int, absent: str) -> Wald:
    from scipy.special import chdtrc, fdtrc

    if span is None:
        return Wald(None, None, None, absent)
    own = fit.coefficients[span]
    df = len(own)
    statistic = float(own @ np.linalg.solve(fit.covariance[span, span], own))
    p = chdtrc(df, statistic) if fit.ratio is not None else fdtrc(df, rows, statistic / df)
    return Wald(statistic, df, max(float(p), float(np.finfo(np.float64).tiny)))


def _residuals(fit: Fitted) -> Residuals:
    from scipy.special import ndtri
    from scipy.stats import kurtosis, skew

    left, n = fit.residuals, len(fit.residuals)
    quantiles = ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25))
    rising, third = np.sort(fit.values), max(n // 3, 1)
    # Prompts of one task and length have one fitted value, up to rounding.
    same = _SAME * (rising[-1] - rising[0])
    low = left[fit.values <= rising[third - 1] + same].std()
    high = left[fit.values >= rising[n - third] - same].std()
    return Residuals(
        skewness=float(skew(left)),
        kurtosis=float(kurtosis(left)),
        normality=float(np.corrcoef(np.sort(left), quantiles)[0, 1] ** 2),
        spread_ratio=float(high / low) if low > _CONSTANT else None,
    )
