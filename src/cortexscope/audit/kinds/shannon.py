"""A metric is the entropy of attention: which ways to put rows, heads and layers together fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._words import spoken
from cortexscope.audit.kinds._kind import OfMetric

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["Shannon", "fewest_tokens"]

# Longer than the context of any model of the study, by a factor of more than a thousand.
_KEYS = 10_000_000


class Shannon(OfMetric):
    """The metric is the entropy of attention over keys, averaged over all or summed over some."""

    kind: Literal["shannon"]
    summed: Literal["nothing", "rows", "heads and layers"]
    of_runs: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Compare figures with the logarithm of the number of keys, which no row exceeds."""
        if evidence.run is not None:
            return self._beside(evidence, evidence.run)
        if not evidence.figures(self.metric):
            return evidence.says(None, f"There is no {self.spoken}.")
        if self.summed == "nothing":
            return self._averaged(evidence)
        return self._rows(evidence) if self.summed == "rows" else self._heads(evidence)

    def _averaged(self, evidence: Evidence) -> Check:
        figures = evidence.figures(self.metric)
        least, most = (end(figures, key=lambda name: figures[name]) for end in (min, max))
        limit = math.log2(_KEYS)
        quantities = [
            Quantity(f"lowest figure, {least}", None, figures[least]),
            Quantity(f"highest figure, {most}", None, figures[most]),
            Quantity(
                f"entropy over {_KEYS:,} keys, at most", None, limit, note="fewer in nats",
                unit="bits",
            ),
        ]  # fmt: skip
        beyond = sum(value > limit for value in figures.values())
        if not beyond:
            said = f"All {len(figures)} figures are below {limit:.1f} bits, which {_KEYS:,} keys "
            return evidence.says(True, f"{said}allow.", *quantities)
        said = (
            f"Excluded: {beyond} of {len(figures)} figures exceed {limit:.1f} bits, the most that "
            f"attention over {_KEYS:,} keys can have; they reach {figures[most]:g}."
        )
        return evidence.says(False, said, *quantities)

    def _heads(self, evidence: Evidence) -> Check:
        """Divide each figure by the number of its model's heads."""
        cells = (evidence.cells or {}).get(self.metric, {})
        heads = {
            model: int(facts["Layers"]) * int(facts["Heads"])
            for model, facts in evidence.facts.items()
            if facts.get("Layers", "").isdigit() and facts.get("Heads", "").isdigit()
        }
        shares = {
            cell: value / heads[cell[0]] for cell, value in cells.items() if heads.get(cell[0])
        }
        if not shares:
            return evidence.says(None, "The numbers of heads and layers are not in this source.")
        least, most = (end(shares, key=lambda cell: shares[cell]) for end in (min, max))
        top = max(cells, key=lambda cell: cells[cell])
        keys = math.ceil(math.exp(shares[most]))
        quantities = [
            self.number(
                f"{which} share of a head, {model}, {spoken(task)}", shares[model, task],
                f"{cells[model, task]:g} over {heads[model]} heads",
            )
            for which, (model, task) in (("lowest", least), ("highest", most))
        ]  # fmt: skip
        note = "if in nats; ln of these"
        quantities.append(Quantity("keys that the highest needs", None, keys, note=note))
        said = (
            f"Not excluded: over the heads of all layers {cells[top]:g} is "
            f"{shares.get(top, math.nan):.2f} a head ({top[0]}, {heads.get(top[0], 0)} heads), and "
            f"no figure is more than {shares[most]:.2f} a head, which {keys} keys allow in nats. "
            "Not stated: whether it is so."
        )
        return evidence.says(None, said, *quantities)

    def _rows(self, evidence: Evidence) -> Check:
        figures = evidence.figures(self.metric)
        most = max(figures, key=lambda name: figures[name])
        tokens = fewest_tokens(figures[most])
        name = "tokens that a sum over causal rows needs for the highest"
        note = "if in nats; even attention has ln 1 + ... + ln n"
        quantity = Quantity(name, None, tokens, note=note)
        said = (
            f"Not excluded: a sum over the rows of a prompt grows with the prompt, and "
            f"{figures[most]:g} nats ({most}) need at least {tokens} tokens where attention is "
            "causal. Not stated: whether it is so, nor the lengths of the prompts."
        )
        return evidence.says(None, said, quantity)

    def _beside(self, evidence: Evidence, run: RunValues) -> Check:
        """Set the run's numbers beside the study's; a run does not show what the study summed."""
        frame = run.of(self.metric)
        quoted = list(evidence.study.figures(self.metric).values()) if evidence.study else []
        if frame is None:
            return evidence.says(None, run.without(self.metric))
        if not quoted:
            said = (
                f"The study's tables that were given have no {self.spoken} to set the run's beside."
            )
            return evidence.says(None, said)
        if self.summed == "heads and layers":
            return evidence.says(None, "The run has no sum over heads and layers.")
        longest, sums = int(frame["n_tokens"].max()), frame["value"].dropna()
        limit = math.log(longest)
        study_range = f"the study's figures are {min(quoted):g} to {max(quoted):g}"
        if self.summed == "nothing":
            said = (
                f"No attention over the {longest} tokens of the longest prompt here has more than "
                f"{limit:.2f} nats; {study_range}, for prompts whose lengths are not published."
            )
            quantity = Quantity(f"entropy over {longest} keys, at most", None, limit, unit="nats")
            return evidence.says(None, said, quantity)
        said = (
            f"Summed over the rows of a prompt, the run has {sums.min():.3g} to {sums.max():.3g} "
            f"nats for {int(frame['n_tokens'].min())} to {longest} tokens; {study_range}."
        )
        quantities = [
            self.number(f"{which} sum over rows in the run", float(value))
            for which, value in (("lowest", sums.min()), ("highest", sums.max()))
        ]
        return evidence.says(None, said, *quantities)


def fewest_tokens(entropy: float) -> int:
    """Return the shortest prompt whose causal rows can sum to an entropy, in nats.

    Even attention over n tokens has ln 1 + ... + ln n.

    Example:
        >>> fewest_tokens(0.0), fewest_tokens(0.7), fewest_tokens(1.7)
        (1, 3, 3)
    """
    count, total = 1, 0.0
    while total < entropy:
        count += 1
        total += math.log(count)
    return count
