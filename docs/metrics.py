"""Write `docs/metrics.md`: what every metric is, from its spec and its docstring.

`make metrics` runs it; a test holds that the page is what it makes.
"""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

from cortexscope.engine import Settings
from cortexscope.metrics import GROUPS, METRICS, Metric, MetricSpec
from cortexscope.metrics.base.words import GROUP_TEXTS, bounds, each, explanation, needs, unit

__all__ = ["page"]

PAGE = Path(__file__).with_suffix(".md")
AGREEMENT = PAGE.with_name("sampling.csv")

HEAD = """# Metrics

Written by `make metrics` from the metrics themselves: do not edit it by hand.
`cortexscope metrics list` and `cortexscope metrics show NAME` print the same in a terminal, and
with `--json` for programs.

{count} metrics in {groups} groups; the {low} of low cost are measured by default.
`cortexscope run --metric NAME` takes metrics, groups, `default` and `all`, and may be repeated;
`cortexscope.profile` and `cortexscope.attach` take the same names. A metric of your own is
[one file](../examples/README.md).

## Conventions

- **Logarithms** are natural: entropies are in nats, unless the unit says bits.
- **Layers**: 0 is the embedding output, 1 to L are the blocks' outputs, taken before the final
  norm. The attention, the MLP and the experts of the first block are at layer 1. Heads count from
  0. An encoder-decoder has values for its encoder, its decoder and its cross-attention, which is a
  stack of its own.
- **Masks**: padding never counts. A row of attention counts the keys that its mask lets it see, so
  that causal attention, windows and padding each have their own number of visible keys.
- **Precision**: a number of each token is computed in float32 (in float64 where the model is), and
  summed over tokens in float64. Sums and counts are kept, never means; so a value depends on
  batches, padding, the order of prompts or an interruption only as far as the model's own kernels
  round differently there.
- **A sample of tokens**: metrics marked *sample* look, in a prompt of n tokens, at m = 32 of them:
  the tokens floor((2 j + 1) n / 2 m) for j = 0 .. m - 1, which are the middles of m parts of equal
  length, or at all where n <= m. It depends on n alone. `--sample-tokens` sets m, `--exact` takes
  all tokens, and the manifest says which it was. [How well it stands for all tokens](#samples) was
  measured. The group *prediction* always reads all tokens: a text's bits are their sum.
- **Tokens behind a value**: the column `tokens_used` of a run's measurements says how many tokens
  each value is made of: in a prompt of 114 tokens a sampled mean is of 32, `residual_norm` of 114,
  and `surprisal` of the 113 that are predicted. Of attention it counts query rows.
- **What repeats**: most metrics have a value for each *prompt*; its tokens, layers and heads are
  not independent of each other. Metrics of a *task* are computed of all its prompts together, and
  once more of all prompts. Metrics of a *model* are measured on sequences of tokens that are
  generated for the purpose.
- **Further axes** (a position bin, an expert, another layer) are numbered in the column `index`.
- **Labels**: values that name something, such as a feature by its number, are counted. Table 7 has
  the most frequent one and its share; no mean, interval, test or figure is made of them.
- **Undefined is null with a reason**, never 0: the normalised entropy of a single token, or the
  attention of a layer that has none.
- **Cost**: *low* is part of the default panel; *high* takes noticeable time, or falls with length
  by construction as `attention_sink_rate` does, and has to be asked for.
"""

CPUS = """\
The model's own attention runs as it would alone. Beside it a small compiled part of cortexscope
computes the scores of six rows at a time, which stay in the cache, and of these the entropy and
the probabilities that are asked for. With the largest score m of a row, e_j = exp(s_j - m), c the
number of keys that have it and R the sum of e_j over the others, the entropy is log(c + R) + sum_j
e_j (m - s_j) / (c + R): all terms are positive, so that nearly certain rows keep their digits.
The rows of the sample come out of the same product, whole. Sizes, moments, counts and products of
states, what those of a prompt come to, distances and shares of whole rows, and logits are read by
it too, each tensor once and where it lies. All is in float32, lanes are added in float64, and a row
is summed by one thread, so that results do not depend on the number of threads. What needs no more
than such reductions is shown to metrics many layers at a time. Where it could not be built, or with
`CORTEXSCOPE_NATIVE=off`, torch computes the same by its fused kernel, in more time; the two agree
to the rounding of float32. A manifest says which it was.
"""
"""How it is computed on CPUs."""

CUDA = """\
On a GPU attention runs as the model runs it, and a Triton kernel beside it computes the entropy and
the probabilities that are asked for, by the formula above: 64 queries at a time, over blocks of
keys, in float32, with queries and keys read once, no values, and no score written. Triton comes
with the CUDA builds of torch. Where it cannot be used, a second call of a fused kernel gives the
statistics: flash, memory-efficient or cuDNN, whichever takes the tensors. Before any kernel is
first used on a kind of tensors it is compared with a plain softmax on a small example; one that
fails or is wrong is not used, and where there is none, scores are computed in chunks. All values of
a batch leave the device together. All figures in these pages were measured on CPUs: what the Triton
kernel computes is tested by Triton's interpreter; which kernel is chosen, how its result is read,
and that nothing is left on another device is tested with a stand-in for a GPU; nothing here was
measured on one: `benchmarks/gpu.sh` does that.
"""
"""What was measured on CUDA, and how."""

SAMPLES = """
## Samples

How well {sample} tokens of a prompt stand for all of them in the demo suite: Pearson's r over
prompts between the values of the sample and those of all tokens. *r* is of the mean over layers and
heads, as tables have it; *worst layer* is the layer where r is lowest; *longer* is r over the
prompts of more than {sample} tokens alone, since all others are the same by definition. *shift* is
how far sampled values lie above exact ones on average, in standard deviations over prompts: it is
large where the number of tokens itself bounds a value, as the metric then says; such values compare
between prompts that are longer than the sample. A dash is where all prompts have one value. What
has r below 0.9 is not in the default panel.

Measured by `python benchmarks/sampling.py FOLDER`, which writes `docs/sampling.csv`.
"""
"""What is said of the tables of samples."""

AGREEMENT_HEAD = """
| metric | r | worst layer | longer | shift |
|---|---|---|---|---|
"""

TABLE = """
| metric | title | unit | a value for each | cost | tokens |
|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the whole page, of the built-in metrics alone."""
    groups = {group: [METRICS.load(name) for name in rows] for group, rows in GROUPS.items()}
    groups = {group: metrics for group, metrics in groups.items() if metrics}
    specs = [metric.spec for metrics in groups.values() for metric in metrics]
    low = sum(spec.cost == "low" for spec in specs)
    parts = [HEAD.format(count=len(specs), groups=len(groups), low=low)]
    parts.append(f"\n## On CPUs\n\n{CPUS.strip()}\n")
    parts.append(f"\n## On CUDA\n\n{CUDA.strip()}\n")
    parts.append(_samples(AGREEMENT))
    for group, metrics in groups.items():
        parts.append(f"\n## {group}\n\n{_sentence(GROUP_TEXTS[group])}\n")
        parts.append(TABLE + "".join(_row(metric.spec) for metric in metrics))
        parts.extend(_entry(metric) for metric in metrics)
    return "".join(parts)


def _samples(file: Path) -> str:
    """Return how well samples stand for all tokens, a metric a row, model by model."""
    found = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    parts = [SAMPLES.format(sample=Settings().sample_tokens)]
    for model in dict.fromkeys(row["model"] for row in found):
        rows = [row for row in found if row["model"] == model]
        prompts, longer = (max(int(row[name]) for row in rows) for name in ("prompts", "longer"))
        parts.append(f"\n`{model}`, {prompts} prompts, of which {longer} are longer:\n")
        parts.append(AGREEMENT_HEAD + "".join(map(_agreement, rows)))
    return "".join(parts)


def _agreement(row: dict[str, str]) -> str:
    r, worst, longer = (_down(row[name]) for name in ("r", "worst_r", "r_longer"))
    layer = f" (layer {row['worst_layer']})" if row["worst_layer"] else ""
    shift = f"{float(row['shift']):z.2f}" if row["shift"] else "-"
    name = row["metric"]
    return f"| [`{name}`](#{name}) | {r} | {worst}{layer} | {longer} | {shift} |\n"


def _down(r: str) -> str:
    """Return an r of the file, rounded down, so that none looks as if it reached 0.9 or 1."""
    return f"{math.floor(float(r) * 1000) / 1000:.3f}" if r else "-"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _row(spec: MetricSpec) -> str:
    anchor = spec.name.replace(".", "")
    cells = (
        f"[`{spec.name}`](#{anchor})",
        spec.title,
        unit(spec),
        each(spec),
        spec.cost,
        "sample" if spec.sampled else "all",
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _entry(metric: type[Metric]) -> str:
    spec = metric.spec
    counted = " Values are *labels*: counted, never averaged." if spec.scale == "label" else ""
    rest = (
        f"*Unit:* {unit(spec)}; *bounds:* {bounds(spec)}.{counted}",
        f"*Needs:* {needs(spec)}.",
        f"*Source:* {spec.source}. *Version* {spec.version}.",
    )
    return (
        f"\n### `{spec.name}`\n\n**{_plain(spec.definition)}**\n\n"
        f"{_plain(explanation(metric))}\n\n{_plain(' '.join(rest), keep='*')}\n"
    )


def _plain(text: str, *, keep: str = "") -> str:
    """Return text whose signs mean themselves in Markdown; code and indented lines stay.

    Args:
        text: as in a docstring.
        keep: a sign that is meant as Markdown.
    """
    signs = re.escape("*<~".replace(keep, ""))
    code = r"`[^`]*`|^    .*$"
    return re.sub(
        f"({code})|([{signs}])",
        lambda found: found[1] or f"\\{found[2]}",
        text,
        flags=re.MULTILINE,
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
