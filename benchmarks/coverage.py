"""How often intervals hold the truth, families err and planted effects are found, as JSON.

Samples whose truth is known are drawn again and again, and go through `cortexscope.stats` as a
run's values do. Four parts:

- `judged`: the share of 95 % intervals of a mean, of a paired and of an unpaired difference that
  hold the truth, on distributions that had no part in choosing the method (`_judged.py`), beside
  Student's t (Welch's, of a difference) and the earlier default (`_earlier.py`). Shares are of all
  samples, so that an undefined interval holds nothing; `undefined` and `cautious` are shares too,
  and `sure` is the coverage of those without a caution.
- `intervals`: the share of 95 % intervals that hold the true mean, trimmed mean, median, difference
  of means and means of four tasks (raw, and at equal lengths where lengths differ), Hedges g and
  Cliff's delta. Symmetric: normal, uniform, Student's t of 3 degrees, and two humps; skewed:
  log-normal of sigma 1, and exponential. `clusters` are prompts with 1 to 5 paraphrases each.
- `families`: the share of simulations without any effect in which max-T finds one at 0.05.
- `power`: the share of planted effects of 0.8 sd that the permutation tests find at 0.05, beside
  what `power_of` says.

A share of N simulations has a standard error of at most sqrt(0.25 / N); of 0.95 and 2000, 0.5
points. Each row is seeded on its own, by `--seed` and what it is, so that any part repeats alone.
The whole takes about a quarter of an hour on one core.

    python benchmarks/coverage.py [--simulations 2000] [--seed 0] [--parts intervals ...]

`--page docs/coverage.md` writes the part `judged` as a page too.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _earlier import earlier_interval
from _judged import JUDGED, Judged, in_clusters
from _judged import SIZES as JUDGED_SIZES
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from cortexscope.stats._clusters import unit_means
from cortexscope.stats._contrasts import model_contrasts, task_contrasts
from cortexscope.stats._effect_sizes import cliffs_delta, hedges_g
from cortexscope.stats._estimate import Estimate
from cortexscope.stats._interval import Statistic, difference_interval, interval
from cortexscope.stats._limits import Bounds
from cortexscope.stats._max_t import max_t_paired, max_t_unpaired
from cortexscope.stats._power import power_of
from cortexscope.stats._task_means import task_means

Rng = np.random.Generator
Floats = NDArray[np.float64]
Row = dict[str, Any]
Draw = Callable[[Rng, int], Floats]

SIZES = (10, 14, 20, 42, 100)
EFFECT = 0.8
SLOPE = 2.0
PERMUTATIONS = 999
RESAMPLES = 999
TOGETHER = 50


def humps(rng: Rng, n: int) -> Floats:
    return rng.choice([-2.0, 2.0], n) + rng.normal(size=n)


SYMMETRIC: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.uniform(-1.0, 1.0, n),
    "t3": lambda rng, n: rng.standard_t(3, n),
    "two humps": humps,
}
SKEWED: dict[str, Draw] = {
    "log-normal": lambda rng, n: np.exp(rng.normal(size=n)),
    "exponential": lambda rng, n: rng.exponential(size=n),
}
DRAWS = SYMMETRIC | SKEWED
CUT = float(ndtri(0.8))
TRUTH: dict[str, dict[Statistic, float]] = {
    "log-normal": {
        "mean": math.exp(0.5),
        "trimmed mean": math.exp(0.5) * float(ndtr(CUT - 1) - ndtr(-CUT - 1)) / 0.6,
        "median": 1.0,
    },
    "exponential": {
        "mean": 1.0,
        # The integral of x exp(-x) from ln 1.25 to ln 5, over 0.6.
        "trimmed mean": ((1 + math.log(1.25)) * 0.8 - (1 + math.log(5)) * 0.2) / 0.6,
        "median": math.log(2.0),
    },
}


def seeded(seed: int, *names: object) -> Rng:
    """Return a generator of its own for what is named."""
    return np.random.default_rng([seed, zlib.crc32(repr(names).encode())])


def coverage(found: Callable[[Rng], Estimate], truth: float, times: int, rng: Rng) -> Row:
    """Return the share of intervals that hold the truth, in percent, and the median width."""
    widths, held = [], 0
    for _ in range(times):
        each = found(rng)
        if each.low is not None and each.high is not None:
            widths.append(each.high - each.low)
            held += each.low <= truth <= each.high
    return {
        "coverage": round(100 * held / max(len(widths), 1), 2),
        "width": round(float(np.median(widths)), 4) if widths else None,
        "undefined": times - len(widths),
    }


Sample = tuple[Floats, NDArray[np.intp] | None]


def judged(seed: int, times: int) -> Iterator[Row]:
    """Yield coverage on the distributions that had no part in choosing the method."""
    for name, one in JUDGED.items():
        for n in JUDGED_SIZES:
            for of, sample, truth, bounds in (
                ("mean", partial(alone, one), one.mean, one.bounds),
                ("mean, no bounds", partial(alone, one), one.mean, (None, None)),
                ("mean, clusters", partial(in_clusters, one), one.mean, one.bounds),
                ("paired difference", partial(paired, one), 0.0, one.bounds),
            ):
                row: Row = {"of": of, "values": name, "n": n}
                if of == "mean, no bounds" and one.bounds == bounds:
                    continue
                rng = seeded(seed, *row.values())
                differences = of == "paired difference"
                yield row | of_samples(
                    sample, n, truth, bounds, times, rng, differences=differences
                )
            row = {"of": "difference", "values": name, "n": n}
            yield row | of_pairs(one, n, times, seeded(seed, *row.values()))


def alone(one: Judged, rng: Rng, n: int) -> Sample:
    return one.draw(rng, n), None


def paired(one: Judged, rng: Rng, n: int) -> Sample:
    """Return differences of pairs that have the same value in half of the cases."""
    first, second = one.draw(rng, n), one.draw(rng, n)
    return np.where(rng.random(n) < 0.5, 0.0, first - second), None


def of_samples(
    sample: Callable[[Rng, int], Sample],
    n: int,
    truth: float,
    bounds: Bounds,
    times: int,
    rng: Rng,
    *,
    differences: bool,
) -> Row:
    """Return the coverage of ours, Student's and the earlier interval of one sample."""
    ours, student, earlier = Held(truth), Held(truth), Held(truth)
    for number in range(times):
        values, clusters = sample(rng, n)
        found = (
            difference_interval(values, np.zeros(n), paired=True, bounds=bounds)
            if differences
            else interval(values, clusters, rng=rng, bounds=bounds)
        )
        ours.add(found.low, found.high, caution=found.caution is not None)
        units = unit_means(values, clusters)
        if units.std() == 0:
            student.add(None, None)
            earlier.add(None, None)
            continue
        half = stdtrit(n - 1, 0.975) * units.std(ddof=1) / math.sqrt(n)
        student.add(units.mean() - half, units.mean() + half)
        if number < times // 4:
            earlier.add(*earlier_interval(units, rng))
    return ours.row() | {"student": student.share, "earlier": earlier.share}


def of_pairs(one: Judged, n: int, times: int, rng: Rng) -> Row:
    """Return the coverage of the difference of two samples."""
    ours = Held(0.0)
    for _ in range(times):
        found = difference_interval(one.draw(rng, n), one.draw(rng, n), bounds=one.bounds)
        ours.add(found.low, found.high, caution=found.caution is not None)
    return ours.row()


class Held:
    """How often intervals held the truth."""

    def __init__(self, truth: float) -> None:
        self.truth = truth
        self.rows: list[tuple[float, bool, bool]] = []

    def add(self, low: float | None, high: float | None, *, caution: bool = False) -> None:
        """Add one interval; None where it is undefined."""
        if low is None or high is None:
            self.rows.append((math.nan, False, caution))
            return
        # What is rounding must not decide whether a share of exactly 1/2 is held.
        reach = 1e-9 * max(abs(low), abs(high))
        held = low - reach <= self.truth <= high + reach
        self.rows.append((high - low, held, caution))

    @property
    def share(self) -> float:
        """Of all, in percent."""
        return round(100 * float(np.mean([held for _, held, _ in self.rows])), 1)

    def row(self) -> Row:
        """Return what is told of them."""
        widths = np.array([width for width, _, _ in self.rows])
        sure = [held for width, held, caution in self.rows if not caution and width == width]
        return {
            "coverage": self.share,
            "undefined": round(100 * float(np.isnan(widths).mean()), 1),
            "cautious": round(100 * float(np.mean([caution for *_, caution in self.rows])), 1),
            "sure": round(100 * float(np.mean(sure)), 1) if sure else None,
            "width": round(float(np.nanmedian(widths)), 4),
        }


def of_one(draw: Draw, n: int, statistic: Statistic) -> Callable[[Rng], Estimate]:
    return lambda rng: interval(draw(rng, n), rng=rng, statistic=statistic)


def of_clusters(draw: Draw, n: int) -> Callable[[Rng], Estimate]:
    def found(rng: Rng) -> Estimate:
        clusters = np.repeat(np.arange(n), rng.integers(1, 6, n))
        values = draw(rng, n)[clusters] + 0.5 * rng.normal(size=len(clusters))
        return interval(values, clusters, rng=rng)

    return found


def of_two(draw: Draw, sizes: tuple[int, int]) -> Callable[[Rng], Estimate]:
    return lambda rng: difference_interval(draw(rng, sizes[0]), draw(rng, sizes[1]))


def of_effect(measure: Callable[..., Estimate], n: int) -> Callable[[Rng], Estimate]:
    return lambda rng: measure(rng.normal(EFFECT, size=n), rng.normal(size=n))


def at_equal_lengths(n: int) -> Callable[[Rng], Estimate]:
    def found(rng: Rng) -> Estimate:
        frame = tasks_of_lengths(rng, 3, n)
        row = task_contrasts(frame, adjusted=True, rng=rng, permutations=1).iloc[0]
        if row["reason"]:
            return Estimate(None, None, None, n, reason=row["reason"])
        return Estimate(row["difference"], row["low"], row["high"], n)

    return found


def one_sample(seed: int, times: int) -> Iterator[Row]:
    """Yield coverage of the intervals of one sample, plain and with clusters."""
    statistics: tuple[Statistic, ...] = ("mean", "trimmed mean", "median")
    for name, draw in DRAWS.items():
        for n in SIZES:
            truths = TRUTH.get(name, {})
            for statistic in statistics:
                row = {"of": statistic, "values": name, "n": n}
                rng, truth = seeded(seed, *row.values()), truths.get(statistic, 0.0)
                yield row | coverage(of_one(draw, n, statistic), truth, times, rng)
            row = {"of": "mean, clusters", "values": name, "n": n}
            rng, truth = seeded(seed, *row.values()), truths.get("mean", 0.0)
            yield row | coverage(of_clusters(draw, n), truth, times, rng)


def two_samples(seed: int, times: int) -> Iterator[Row]:
    """Yield coverage of differences and effect sizes of two samples."""
    for name, draw in DRAWS.items():
        for sizes in ((10, 10), (14, 14), (42, 42), (10, 42)):
            row = {"of": "difference", "values": name, "n": sizes}
            yield row | coverage(of_two(draw, sizes), 0.0, times, seeded(seed, *row.values()))
    delta = 2 * float(ndtr(EFFECT / math.sqrt(2))) - 1
    for of, measure, truth in (
        ("Hedges g", hedges_g, EFFECT),
        ("Cliff's delta", cliffs_delta, delta),
    ):
        for n in SIZES[:4]:
            row = {"of": of, "values": f"normal, {EFFECT} sd apart", "n": (n, n)}
            rng = seeded(seed, *row.values())
            yield row | coverage(of_effect(measure, n), truth, times, rng)
    for n in (14, 42):
        row = {"of": "difference at equal lengths", "values": "normal", "n": (n, n)}
        yield row | coverage(at_equal_lengths(n), 0.0, times, seeded(seed, *row.values()))


def of_tasks(seed: int, times: int) -> Iterator[Row]:
    """Yield coverage of the means of four tasks at once, raw and at equal lengths."""
    for name, draw in DRAWS.items():
        for n in SIZES[:4]:
            for adjusted in (False, True):
                of = "task means at equal lengths" if adjusted else "task means"
                row: Row = {"of": of, "values": name, "n": n}
                rng, mean = seeded(seed, *row.values()), TRUTH.get(name, {}).get("mean", 0.0)
                tables = []
                for _ in range(times // 4):
                    frame = tasks_of_lengths(rng, 4, n)
                    logs = np.log(frame["n_tokens"])
                    frame["value"] = draw(rng, len(frame)) + SLOPE * logs * adjusted
                    table = task_means(frame, adjusted=adjusted, rng=rng, resamples=RESAMPLES)
                    tables.append(table.assign(truth=mean + SLOPE * logs.mean() * adjusted))
                found = pd.concat(tables)
                known = found.dropna(subset=["low", "high"])
                held = (known["low"] <= known["truth"]) & (known["truth"] <= known["high"])
                yield row | {
                    "coverage": round(100 * float(held.mean()), 2) if len(known) else None,
                    "width": round(float((known["high"] - known["low"]).median()), 4),
                    "undefined": len(found) - len(known),
                }


def tasks_of_lengths(rng: Rng, tasks: int, n: int) -> pd.DataFrame:
    """Return values that depend on length alone, in a curve, and tasks of different lengths."""
    codes = np.repeat(np.arange(tasks), n)
    logs = 3.5 + 0.2 * codes + 0.5 * rng.normal(size=tasks * n)
    return pd.DataFrame(
        {
            "model": "a",
            "task": [f"task {code}" for code in codes],
            "prompt_id": np.arange(tasks * n),
            "cluster": np.arange(tasks * n),
            "n_tokens": np.maximum(np.exp(logs).round(), 1.0),
            "value": 0.4 * logs**2 + 0.5 * rng.normal(size=tasks * n),
        }
    )


def models_alike(rng: Rng, models: int, n: int) -> pd.DataFrame:
    """Return values of models that differ by chance alone, of the same prompts."""
    prompts = rng.normal(size=n)
    frames = [
        pd.DataFrame(
            {
                "model": f"model {number}", "task": "task", "prompt_id": np.arange(n),
                "cluster": np.arange(n), "value": prompts + rng.normal(size=n),
            }
        )
        for number in range(models)
    ]  # fmt: skip
    return pd.concat(frames)


def families(seed: int, times: int) -> Iterator[Row]:
    """Yield how often a family without any effect errs."""

    def raw(rng: Rng) -> pd.DataFrame:
        frame = tasks_of_lengths(rng, 5, 14).assign(value=rng.normal(size=70))
        return task_contrasts(frame, adjusted=False, rng=rng, permutations=PERMUTATIONS)

    def adjusted(rng: Rng) -> pd.DataFrame:
        frame = tasks_of_lengths(rng, 5, 14)
        return task_contrasts(frame, adjusted=True, rng=rng, permutations=PERMUTATIONS)

    def models(rng: Rng) -> pd.DataFrame:
        frame = models_alike(rng, 5, 14)
        table = model_contrasts(frame, rng=rng, permutations=PERMUTATIONS)
        return table.loc[table["task"].isna()]

    for name, contrasts in (
        ("10 pairs of tasks that do not differ, raw", raw),
        ("10 pairs of tasks that differ in length alone, at equal lengths", adjusted),
        ("10 pairs of models that do not differ", models),
    ):
        rng = seeded(seed, name)
        least = np.array([contrasts(rng)[["p", "p_max_t"]].min() for _ in range(times)])
        erring = 100 * (least <= 0.05).mean(axis=0)
        yield {"family": name, "errs_raw": round(erring[0], 2), "errs_max_t": round(erring[1], 2)}


def powers(seed: int, times: int) -> Iterator[Row]:
    """Yield how often a planted effect is found, and what the calculator states."""
    for paired in (False, True):
        for n in (10, 15, 26, 42):
            rng = seeded(seed, "power", paired, n)
            hits, done = 0, 0
            while done < times:
                # Many simulations are as many positions, which share their exchanges.
                some = min(TOGETHER, times - done)
                one, two = rng.normal(EFFECT, size=(n, some)), rng.normal(size=(n, some))
                test = (
                    max_t_paired(one, rng=rng, permutations=PERMUTATIONS)
                    if paired
                    else max_t_unpaired(one, two, rng=rng, permutations=PERMUTATIONS)
                )
                hits += int((test.p <= 0.05).sum())
                done += some
            yield {
                "paired": paired,
                "n": n,
                "found": round(100 * hits / times, 2),
                "stated": round(100 * power_of(n, EFFECT, paired=paired), 2),
            }


_PAGE = """# How often intervals hold the truth

The share, in percent, of 95 % intervals that hold the true value, of samples of 10 to 100 prompts:
of the mean, alone and of prompts with 1 to 5 paraphrases, of paired differences (half of them
exactly 0) and of the difference of two samples. The distributions were written down in
`benchmarks/_judged.py` before the method was tried on them, and had no part in choosing it; metrics
that are shares have their bounds, but for the rows that say otherwise. An interval that is
undefined (all values the same, without two bounds) counts as missing the truth; in brackets, such
samples. {times} samples a figure (standard error {error} points), made by

    python benchmarks/coverage.py --parts judged --simulations {times} --page docs/coverage.md
{tables}
Beside each, in this order: Student's t of the same samples, and the earlier default, a bootstrap-t
with fitted constants (`benchmarks/_earlier.py`, on a quarter of the samples).

What no method holds carries a caution in every table: fewer than 10 independent prompts, or
skewness of the mean above a fifth (Cochran's rule, n > 25 G1^2). Of the samples above without
a caution {sure} % of intervals of a mean hold, of those with one {unsure} %.
"""


def page(rows: list[Row], times: int) -> str:
    """Return the part `judged` as a page of Markdown."""
    table, tables = pd.DataFrame(rows), []
    for of, own in table.groupby("of", sort=False):
        ways = {"ours": "coverage", "Student's t": "student", "earlier default": "earlier"}
        lines = [
            f"\n## {str(of)[0].upper()}{str(of)[1:]}\n",
            "| values | " + " | ".join(f"n = {n}" for n in JUDGED_SIZES) + " |",
            "|---|" + "---|" * len(JUDGED_SIZES),
        ]
        for values, cells in own.groupby("values", sort=False):
            texts = []
            for cell in cells.to_dict("records"):
                gone = f" ({cell['undefined']:.0f})" if cell["undefined"] >= 0.5 else ""
                beside = [
                    f"{cell[key]:.0f}" for key in list(ways.values())[1:] if cell[key] == cell[key]
                ]
                texts.append(" / ".join([f"**{cell['coverage']:.1f}**{gone}", *beside]))
            lines.append(f"| {values} | " + " | ".join(texts) + " |")
        tables.append("\n".join(lines) + "\n")
    means = table[table["of"].str.startswith("mean")]
    shares = means["cautious"] / 100
    sure = means["sure"].fillna(0.0) * (100 - means["cautious"] - means["undefined"]) / 100
    known = (100 - means["cautious"] - means["undefined"]).sum()
    return _PAGE.format(
        times=times,
        error=round(100 * math.sqrt(0.05 * 0.95 / times), 1),
        tables="".join(tables),
        sure=round(100 * sure.sum() / known, 1),
        unsure=round(100 * (means["coverage"] - sure).sum() / (100 * shares).sum(), 1),
    )


PARTS: dict[str, tuple[Callable[[int, int], Iterator[Row]], ...]] = {
    "judged": (judged,),
    "intervals": (one_sample, two_samples, of_tasks),
    "families": (families,),
    "power": (powers,),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulations", type=int, default=2000, help="of each row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--page", type=Path, help="where to write `judged` as Markdown")
    options = parser.parse_args()
    found: dict[str, list[Row]] = {}
    started = time.perf_counter()
    for part in options.parts:
        found[part] = []
        for simulate in PARTS[part]:
            for row in simulate(options.seed, options.simulations):
                print(json.dumps(row), file=sys.stderr, flush=True)
                found[part].append(row)
    if options.page is not None:
        options.page.write_text(page(found["judged"], options.simulations), encoding="utf-8")
    about = {
        "simulations": options.simulations,
        "seed": options.seed,
        "seconds": round(time.perf_counter() - started),
    }
    print(json.dumps(about | found, indent=2))


if __name__ == "__main__":
    main()
