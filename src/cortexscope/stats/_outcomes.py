"""Which quantities tell right answers from wrong ones, held out, beyond length and surprisal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._clusters import unit_means
from cortexscope.stats._concordance import Concordance, Outcomes, concordance
from cortexscope.stats._features import Features, length_features, vector_features
from cortexscope.stats._interval import mean_of
from cortexscope.stats._max_t import max_t_paired

__all__ = ["outcome_predictors"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Known = NDArray[np.bool_]

_FEWEST = 10
"""Units of each outcome, or half as many of any, below which nothing is said."""
_PENALTY = 0.4
"""Of the squared weights of a probe: about what the tasks' probes have, since a logistic loss bends
by 1 / 4 at most and theirs counts 10 times."""
_CONSTANT = 1e-9
_NO_SURPRISAL = "there is no surprisal to compare with, and nothing is claimed without one"
_CHANCE = "chance"


def outcome_predictors(
    predictors: Sequence[ArrayLike],
    outcomes: ArrayLike,
    *,
    tasks: ArrayLike,
    clusters: ArrayLike,
    n_tokens: ArrayLike,
    surprisal: ArrayLike | None,
    rng: np.random.Generator,
    folds: int = 5,
    permutations: int = 2000,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return how well each predictor tells the outcomes of prompts that it was not fitted to.

    Prompts are compared with those of their own task alone, so that what tells tasks apart, of
    which some are harder, tells nothing here. Each fold is predicted from the others; paraphrases
    are in one fold. Of a single number the other folds say whether higher is better; of vectors
    they fit a ridge regression on the first 100 principal components, penalised the same
    throughout, so that no setting is chosen by its result. `auc` is the share of pairs of prompts
    with different outcomes that are put in order: of right and wrong the area under the ROC curve.

    Baselines are a curve in log tokens, the surprisal, and both together. A predictor `beats` them
    where its auc is above the best of theirs and above 0.5: the interval of the difference lies
    above 0, and so does p_max_t at most 1 - level say, which counts all predictors (step-down
    max-T, signs of the units' parts in the difference flipped together). Intervals are of the
    fitted predictors on further prompts.

    Args:
        predictors: each [prompt] or [prompt, feature]; NaN where undefined.
        outcomes: 1 for right and 0 for wrong, or scores, [prompt].
        tasks: of each prompt.
        clusters: what each prompt belongs to, such as its source.
        n_tokens: of each prompt.
        surprisal: of each prompt; None where the model has none.
        rng: draws folds and flips.
        folds: how many.
        permutations: how many flips.
        level: of the intervals.

    Returns:
        A row for `chance`, `length`, `surprisal`, `length and surprisal`, whose names are in
        `baseline`, and then one a predictor: `auc`, `low`, `high`; `against` (the best baseline),
        `against_auc` (on the same prompts), `difference`, `difference_low`, `difference_high`, `p`,
        `p_max_t`, `beats`; `spearman`, the rank correlation of a single number with the outcome,
        both less the means of their tasks; `n` (units), `reason`. NaN where undefined.

    Raises:
        UsageError: if lengths differ, or there are fewer than 2 folds.
    """
    if folds < 2:
        raise UsageError(f"Held-out predictions need at least 2 folds, and folds is {folds}.")
    own = _Prompts(
        Outcomes.of(outcomes, tasks, clusters),
        np.asarray(n_tokens, dtype=np.float64),
        None if surprisal is None else np.asarray(surprisal, dtype=np.float64),
        folds,
        rng,
    )
    values = [np.asarray(one, dtype=np.float64) for one in predictors]
    reason = own.undefined
    plain = {name: _NOTHING if reason else own.told(scores) for name, scores in own.baselines()}
    best = max(plain, key=lambda name: np.nan_to_num(plain[name].value, nan=-1.0))
    if reason is None and surprisal is None:
        reason_to_claim: str | None = _NO_SURPRISAL
    else:
        reason_to_claim = reason
    rows = [{"baseline": name, **_auc(found, level)} for name, found in plain.items()]
    rows[0] |= {"low": np.nan, "high": np.nan}  # which is known, not estimated
    gains = np.full((len(values), own.units), np.nan)
    for place, one in enumerate(values):
        row = _auc(_NOTHING, level) | {"against": best, "reason": reason}
        rows.append(row)
        if reason is not None:
            continue
        scores = own.held_out(one)
        known = np.isfinite(scores)
        why = own.few(known)
        if why is not None:
            row["reason"] = why
            continue
        found, base = own.told(scores), own.told(own.scores[best], known)
        gains[place] = found.parts - base.parts
        gain = mean_of(gains[place], level=level, bounds=(-1, 1))
        row |= _auc(found, level) | {
            "against_auc": base.value,
            "difference": found.value - base.value,
            "difference_low": gain.low,
            "difference_high": gain.high,
            "spearman": own.spearman(one),
            "reason": reason_to_claim,
        }
    tested = max_t_paired(gains.T, rng=rng, permutations=permutations)
    table = pd.DataFrame(rows, columns=_COLUMNS)
    numbers = [name for name in _COLUMNS if name not in ("baseline", "against", "beats", "reason")]
    table = table.astype(dict.fromkeys(numbers, "float64"))
    table.loc[len(plain) :, ["p", "p_max_t"]] = np.column_stack([tested.p, tested.p_adjusted])
    above = (table["difference_low"] > 0) & (table["p_max_t"] <= 1 - level)
    unsaid = table["p_max_t"].isna() | (reason_to_claim is not None)
    beats = above.astype("boolean").mask(unsaid)
    return table.assign(beats=beats)


_COLUMNS = [
    "baseline", "auc", "low", "high", "against", "against_auc", "difference", "difference_low",
    "difference_high", "p", "p_max_t", "beats", "spearman", "n", "reason",
]  # fmt: skip
_NOTHING = Concordance(np.nan, np.empty(0))


def _finite(values: Floats) -> Known:
    """Return which prompts have all numbers, [prompt]."""
    return np.asarray(np.isfinite(values).reshape(len(values), -1).all(axis=1), dtype=np.bool_)


def _auc(found: Concordance, level: float) -> dict[str, object]:
    held = found.interval(level=level)
    return {"auc": found.value, "low": held.low, "high": held.high, "n": held.n}


@dataclass(eq=False)
class _Prompts:
    """Prompts with their outcomes, which are predicted fold by fold."""

    outcomes: Outcomes
    n_tokens: Floats
    surprisal: Floats | None
    folds: int
    rng: np.random.Generator
    scores: dict[str, Floats] = field(default_factory=dict)
    """What the baselines predict."""

    @property
    def units(self) -> int:
        return int(self.outcomes.clusters.max(initial=-1)) + 1

    @cached_property
    def undefined(self) -> str | None:
        return self.few(np.ones(len(self.outcomes.values), dtype=bool))

    def few(self, known: Known) -> str | None:
        """Return why nothing can be said of these prompts; None where it can."""
        own = self.outcomes[known]
        if not len(own.values):
            return "no prompt has a value"
        mixed = np.array(
            [np.ptp(own.values[own.strata == place]) > 0 for place in range(own.strata.max() + 1)]
            if len(own.values) else []
        )  # fmt: skip
        kinds = np.unique(own.values)
        if not mixed.any():
            return "all answers of a task have one outcome"
        told = mixed[own.strata]
        counts = [len(np.unique(own.clusters[told & (own.values == kind)])) for kind in kinds]
        if len(kinds) == 2 and min(counts) < _FEWEST:
            fewest = kinds[int(np.argmin(counts))]
            return f"there are fewer than {_FEWEST} prompts ({min(counts)}) of outcome {fewest:g}"
        if len(np.unique(own.clusters[told])) < 2 * _FEWEST:
            return f"there are fewer than {2 * _FEWEST} prompts in tasks of several outcomes"
        return None

    @cached_property
    def parts(self) -> list[tuple[Places, Places]]:
        """The training and the held-out prompts of each fold, with about the same outcomes."""
        from sklearn.model_selection import StratifiedGroupKFold

        own = self.outcomes
        kinds = np.unique(own.values, return_inverse=True)[1]
        if kinds.max() > 1:
            kinds = (own.values > np.median(own.values)).astype(np.intp)
        seed = int(self.rng.integers(2**31))
        split = StratifiedGroupKFold(self.folds, shuffle=True, random_state=seed)
        return list(split.split(np.empty((len(kinds), 0)), kinds, own.clusters))

    def baselines(self) -> list[tuple[str, Floats]]:
        """Return what is predicted without a look inside, of each name."""
        nothing = np.zeros(len(self.outcomes.values))
        if self.undefined is not None:
            self.scores = {_CHANCE: nothing, "length": nothing}
            return list(self.scores.items())
        self.scores = {_CHANCE: nothing, "length": self._fitted(length_features(self.n_tokens))}
        if self.surprisal is not None:
            # A prompt without surprisal, such as one of a single token, has the usual one.
            known = np.isfinite(self.surprisal)
            usual = np.median(self.surprisal[known]) if known.any() else 0.0
            filled = np.where(known, self.surprisal, usual)
            both = length_features(self.n_tokens, beside=filled)
            self.scores["surprisal"] = self.held_out(filled)
            self.scores["length and surprisal"] = self._fitted(both)
        return list(self.scores.items())

    def told(self, scores: Floats, known: Known | None = None) -> Concordance:
        """Return how well scores tell the outcomes of known prompts, units without any NaN."""
        known = np.isfinite(scores) if known is None else known
        if known.all():
            return concordance(scores, self.outcomes)
        found = concordance(scores[known], self.outcomes[known])
        parts = np.full(self.units, np.nan)
        parts[np.unique(self.outcomes.clusters[known])] = found.parts
        return Concordance(found.value, parts)

    def held_out(self, values: Floats) -> Floats:
        """Return predictions of a number or of vectors, [prompt]; NaN where undefined."""
        known = _finite(values)
        if self.few(known) is not None:
            return np.full(len(values), np.nan)
        if values.ndim > 1:
            return self._fitted(vector_features(values), known)
        scores = np.full(len(values), np.nan)
        for train, test in self._known_parts(known):
            near, asked = self._within(values[:, None], train, test)
            outcome = self._within(self.outcomes.values[:, None], train, train)[0][:, 0]
            spread = near.std()
            scale = spread if spread > _CONSTANT * np.abs(values[train]).max() else np.inf
            scores[test] = np.sign(near[:, 0] @ outcome) * asked[:, 0] / scale
        return scores

    def _fitted(self, source: Features | str, known: Known | None = None) -> Floats:
        """Return what a ridge regression predicts, of what varies inside of tasks alone."""
        if isinstance(source, str):
            return np.zeros(len(self.outcomes.values))
        scores = np.full(len(self.outcomes.values), np.nan)
        for train, test in self._known_parts(known):
            rows = np.concatenate([train, test])
            features = np.vstack(source(train, test))
            whole = np.full((len(scores), features.shape[1]), np.nan)
            whole[rows] = features
            near, asked = self._within(whole, train, test)
            outcome = self._within(self.outcomes.values[:, None], train, train)[0][:, 0]
            square = near.T @ near + _PENALTY * np.eye(near.shape[1])
            scores[test] = asked @ np.linalg.solve(square, near.T @ outcome)
        return scores

    def _known_parts(self, known: Known | None) -> list[tuple[Places, Places]]:
        if known is None:
            return self.parts
        return [(train[known[train]], test[known[test]]) for train, test in self.parts]

    def _within(self, values: Floats, train: Places, test: Places) -> tuple[Floats, Floats]:
        """Return training and held-out rows less the mean of their task's training rows."""
        strata = self.outcomes.strata
        count = int(strata.max()) + 1
        sums = np.zeros((count, values.shape[1]))
        np.add.at(sums, strata[train], values[train])
        counts = np.bincount(strata[train], minlength=count)[:, None]
        # A task that the training prompts lack has the mean of all of them.
        means = np.where(counts > 0, sums / np.maximum(counts, 1), values[train].mean(axis=0))
        return values[train] - means[strata[train]], values[test] - means[strata[test]]

    def spearman(self, values: Floats) -> float:
        """Return Spearman's rho of a number with the outcome, tasks' means taken out; else NaN."""
        from scipy.stats import rankdata

        known = _finite(values)
        if values.ndim > 1 or known.sum() < 2:
            return float("nan")
        one, two = (rankdata(own[known]) for own in (values, self.outcomes.values))
        strata = self.outcomes.strata[known]
        one, two = (own - unit_means(own, strata)[np.unique(strata, return_inverse=True)[1]]
                    for own in (one, two))  # fmt: skip
        size = float(np.sqrt((one @ one) * (two @ two)))
        return float(one @ two) / size if size > 0 else float("nan")
