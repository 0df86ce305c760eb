"""Which layer tells the tasks apart: a logistic regression on each layer's vectors, held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._clusters import unit_means
from cortexscope.stats._estimate import Estimate
from cortexscope.stats._features import Features, length_features, vector_features, word_features
from cortexscope.stats._layers import ReadUnits, Stack, layer_vectors, prompts_of, read_units
from cortexscope.stats._max_t import max_t_paired
from cortexscope.stats._selective import halves_of

__all__ = ["Peak", "Probe", "probe_layers"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

# Of scikit-learn's C; accuracies on the demo models differ by about 0.06 at most from 1 to 30.
_STRENGTH = 10.0
_ROUNDING = 1e-12
_NO_BASELINE = "there is no baseline to compare with"


@dataclass(frozen=True, slots=True)
class Peak:
    """The layer that tells the tasks apart best, chosen and judged on different prompts."""

    layer: int | None
    """The layer with the highest accuracy on one half of the prompts; None where undefined."""
    chosen_accuracy: float | None
    """Its accuracy on that half, too high since it was the highest there."""
    accuracy: Estimate
    """Its accuracy on the other half, to be reported."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """How well each layer tells the tasks apart, beside what needs no model."""

    layers: pd.DataFrame
    """A row a layer: `layer`; `accuracy`, `low`, `high`; `control`, the accuracy for random tasks,
    and `selectivity`, accuracy - control; `memorised`, the share of the training prompts' random
    tasks that the probe has learnt; `difference` to the better baseline, its `p` and `p_max_t`,
    which counts every layer as a chance to beat it; `beats`, whether the layer is better with
    p_max_t at most 1 - level; `reason`. NaN where undefined; a p-value is never 0."""
    baselines: pd.DataFrame
    """A row for `length` and for `words`: `baseline`, `accuracy`, `low`, `high`, `reason`."""
    peak: Peak
    """The layer that is best."""
    chance: float | None
    """The accuracy of guessing: 1 / number of tasks; None where there are fewer than 2."""
    tasks: tuple[str, ...]
    n: int
    """Prompts; paraphrases of one count as one."""
    left_out: int
    """Prompts without a finite vector at any layer."""
    method: str
    """How the accuracies were found."""
    reason: str | None
    """Why nothing can be said; None where it can."""


def probe_layers(
    vectors: Stack,
    tasks: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    n_tokens: ArrayLike,
    texts: Sequence[str],
    rng: np.random.Generator,
    folds: int = 5,
    permutations: int = 2000,
    level: float = 0.95,
) -> Probe:
    """Return how well a logistic regression on each layer's vectors tells the tasks apart.

    Each fold is predicted from the others; paraphrases are in one fold. Accuracy is balanced, the
    mean over tasks of the share of their prompts that are told right: 1 at best, 1 / tasks by
    guessing. In the training folds features are standardised and divided by the root of their
    number, their first 100 principal components are taken, and the regression is penalised with a
    fixed C = 10, so that no setting is chosen by its result. The interval is Wilson's, with as many
    prompts as would give the variance between them. It is that of the fitted probes on further
    prompts; probes fitted on others scatter too, so that of 100 repetitions with 60 prompts it
    holds the mean accuracy 88 to 93 times.

    What needs no model: `length`, a curve in log tokens, and `words`, which words and marks the
    text has (tf-idf), each by the same regression. Whether a layer beats the better of the two is
    tested by exchanging which of both told a prompt right.

    Random tasks, one a cluster and as many of each as there are, are learnt by the same probe.
    Since no cluster is in two folds, `control` strays from chance only by luck or where folds leak;
    `memorised` says how freely the probe can fit what means nothing.

    Args:
        vectors: [layer, prompt, feature]; NaN or None where there are none.
        tasks: of each prompt.
        clusters: what each prompt belongs to, such as its source; each its own where None.
        n_tokens: of each prompt.
        texts: of each prompt.
        rng: draws folds, random tasks, halves and exchanges.
        folds: how many; every task needs as many prompts.
        permutations: how many exchanges.
        level: of the intervals.

    Raises:
        UsageError: if shapes do not fit, prompts of one cluster have different tasks, or there are
            fewer than 2 folds.
    """
    if folds < 2:
        raise UsageError(f"A probe needs at least 2 folds, and folds is {folds}.")
    prompts = prompts_of(tasks, clusters, n_tokens)
    if len(texts) != len(prompts):
        raise UsageError(f"{len(prompts)} prompts need as many texts, and have {len(texts)}.")
    stack = layer_vectors(vectors, len(prompts))
    prompts = prompts.assign(text=[*texts]).loc[stack.known]
    units = read_units(prompts)
    n = len(units)
    reason = _undefined(units, folds)
    design = None if reason is not None else _Design.of(units, folds, rng=rng)
    plain = _tell(
        [
            reason or length_features(prompts["n_tokens"].to_numpy(dtype=np.float64)),
            reason or word_features(prompts["text"].to_list()),
        ],
        design,
        n,
    )
    told = _tell(
        [
            reason or (values if isinstance(values, str) else vector_features(values))
            for values in stack.layers
        ],
        design,
        n,
    )
    baselines = _table(plain, units, level)
    baselines.insert(0, "baseline", ["length", "words"])
    layers = _table(told, units, level)
    layers.insert(0, "layer", np.arange(len(layers)))
    better = int(np.argmax(baselines["accuracy"].fillna(-1.0)))
    # So weighted the mean over prompts is the mean over tasks, of which each counts the same.
    weights = n / (max(len(units.tasks), 1) * units.counts[units.codes])
    gains = (told.right - plain.right[better]) * weights
    tested = max_t_paired(gains.T, rng=rng, permutations=permutations)
    difference = layers["accuracy"].to_numpy() - baselines["accuracy"].iloc[better]
    beats = pd.array((difference > 0) & (tested.p_adjusted <= 1 - level), dtype="boolean")
    beats[np.isnan(difference)] = pd.NA
    layers.insert(7, "difference", difference)
    layers.insert(8, "p", tested.p)
    layers.insert(9, "p_max_t", tested.p_adjusted)
    layers.insert(10, "beats", beats)
    alike = layers["reason"].isna() & np.isnan(tested.p)
    known = baselines["accuracy"].notna().any()
    why = "the layer tells every prompt as the better baseline does" if known else _NO_BASELINE
    layers.loc[alike, "reason"] = why
    peak = _peak(told, units, level, rng=rng)
    return Probe(
        layers=layers, baselines=baselines, peak=peak,
        chance=1 / len(units.tasks) if len(units.tasks) > 1 else None, tasks=units.tasks,
        n=n, left_out=int((~stack.known).sum()), reason=peak.accuracy.reason,
        method=f"logistic regression, {folds} folds by cluster; {tested.method}",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Design:
    """Who is predicted from whom, and what."""

    folds: tuple[tuple[Places, Places], ...]
    """Numbers of the training and of the held-out prompts."""
    labels: tuple[Places, Places]
    """Each prompt's task, and its random one."""
    clusters: Places
    """Each prompt's unit."""

    @classmethod
    def of(cls, units: ReadUnits, folds: int, *, rng: np.random.Generator) -> _Design:
        from sklearn.model_selection import StratifiedGroupKFold

        labels = units.codes[units.places], rng.permutation(units.codes)[units.places]
        seed = int(rng.integers(2**31))
        split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        parts = split.split(np.empty((len(units.places), 0)), labels[0], units.places)
        return cls(tuple(parts), labels, units.places)


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """What probes told right; NaN where undefined."""

    right: Floats
    """The share of the unit's prompts that were told right, held out, [probe, unit]."""
    control: Floats
    """Likewise for random tasks."""
    memorised: Floats
    """The share of training prompts whose random task was told right, [probe]."""
    reasons: list[str | None]
    """Why a probe is undefined."""


def _tell(sources: Sequence[Features | str], design: _Design | None, n: int) -> _Told:
    """Return what a probe on each source tells; a sentence stands for one that is undefined."""
    from sklearn.linear_model import LogisticRegression

    right = np.full((2, len(sources), n), np.nan)
    memorised = np.full(len(sources), np.nan)
    for place, source in enumerate(sources):
        if isinstance(source, str) or design is None:
            continue
        told = np.zeros((len(design.clusters), 2))
        learnt = []
        for train, test in design.folds:
            known, asked = source(train, test)
            for column, label in enumerate(design.labels):
                probe = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=1000)
                probe.fit(known, label[train])
                told[test, column] = probe.predict(asked) == label[test]
            # The last label is the random one.
            learnt.append((probe.predict(known) == label[train]).mean())
        right[:, place] = unit_means(told, design.clusters).T
        memorised[place] = np.mean(learnt)
    reasons = [source if isinstance(source, str) else None for source in sources]
    return _Told(right[0], right[1], memorised, reasons)


def _undefined(units: ReadUnits, folds: int) -> str | None:
    if len(units.tasks) < 2:
        return "there are fewer than 2 tasks"
    fewest = int(np.argmin(units.counts))
    task, count = units.tasks[fewest], units.counts[fewest]
    if count < folds:
        return f"{task} has fewer prompts ({count}) than the {folds} folds"
    return None


def _table(told: _Told, units: ReadUnits, level: float) -> pd.DataFrame:
    accuracy, low, high = _accuracies(told.right, units.codes, level)
    control = _accuracies(told.control, units.codes, level)[0]
    return pd.DataFrame(
        {
            "accuracy": accuracy, "low": low, "high": high, "control": control,
            "selectivity": accuracy - control, "memorised": told.memorised,
            "reason": pd.Series(told.reasons, dtype=object),
        }
    )  # fmt: skip


def _accuracies(right: Floats, codes: Places, level: float) -> tuple[Floats, Floats, Floats]:
    """Return balanced accuracies with Wilson's intervals, each [probe]; NaN where undefined."""
    from scipy.special import ndtri

    if not len(codes):
        return (np.full(len(right), np.nan),) * 3
    counts = np.bincount(codes)
    member = np.eye(len(counts))[codes] / counts  # [unit, task]
    means = right @ member
    left = (right - means[:, codes]) ** 2 @ (member / np.maximum(counts - 1, 1))
    share, variance = means.mean(axis=1), left.sum(axis=1) / len(counts) ** 2
    n = np.full(len(right), float(len(codes)))
    vary = variance > _ROUNDING
    n[vary] = share[vary] * (1 - share[vary]) / variance[vary]
    weight = float(ndtri((1 + level) / 2)) ** 2 / n
    half = np.sqrt(weight * share * (1 - share) + weight**2 / 4)
    return (
        share,
        (share + weight / 2 - half) / (1 + weight),
        (share + weight / 2 + half) / (1 + weight),
    )


def _peak(told: _Told, units: ReadUnits, level: float, *, rng: np.random.Generator) -> Peak:
    right = told.right
    if not len(right) or np.isnan(right).all():
        reason = next((why for why in told.reasons if why), "there are no layers")
        return Peak(None, None, Estimate(None, None, None, 0, reason=reason))
    first = halves_of(units.codes, rng=rng)
    chosen = _accuracies(right[:, first], units.codes[first], level)[0]
    layer = int(np.nanargmax(chosen))
    found = _accuracies(right[[layer]][:, ~first], units.codes[~first], level)
    accuracy, low, high = (float(row[0]) for row in found)
    estimate = Estimate(accuracy, low, high, int((~first).sum()), "Wilson score")
    return Peak(layer, float(chosen[layer]), estimate)
