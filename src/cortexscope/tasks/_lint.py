"""Name what loads without error and yet makes a suite a poor instrument."""

from __future__ import annotations

import math
import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cortexscope.records import Prompt
from cortexscope.tasks._forms import FORMS, forms
from cortexscope.tasks._suite import Suite, Task, word_count

__all__ = ["Finding", "lint", "near_duplicates"]

_FEWEST_PROMPTS = 10
_SHORTEST = 10  # characters
_SIMILAR = 0.7
_UNEVEN = 1.5
_SHINGLE = 5
_OTHER_FORM = 0.5
_LEAKED_WORDS = 3
_ANSWER = re.compile(r"^[ \t]*(?:the )?(?:answer|solution)\s*(?:is\s*)?:[ \t]*\S.*", re.M | re.I)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something questionable in a suite that loads."""

    level: Literal["error", "warning"]
    """An error falsifies counts; a warning asks for a look."""
    where: str
    """A task, a prompt id with its place, or the suite."""
    message: str
    """One sentence: what was found and what to do."""

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.message}"


def lint(suite: Suite, lengths: Mapping[str, int] | None = None) -> list[Finding]:
    """Return what is questionable in a suite, errors first.

    Args:
        suite: a suite that loaded.
        lengths: the length of each prompt by id, such as a model's tokens; words where None.

    Returns:
        Findings: identical texts (an error, as one text would count twice), similar texts, texts
        that hold their answer, tasks with few prompts, tasks of uneven lengths or of another form
        than the rest (questions, instructions, passages), targets for a part of the prompts only,
        very short texts, and white space at an end or control characters in a text or a target.
    """
    findings = [
        *(found for prompt in suite.prompts for found in _text_findings(prompt)),
        *(found for prompt in suite.prompts for found in _leak_findings(prompt)),
        *_duplicate_findings(suite.prompts),
        *(found for task in suite.tasks for found in _size_findings(task)),
        *_length_findings(suite, lengths),
        *_form_findings(suite),
        *_target_findings(suite),
    ]
    return sorted(findings, key=lambda finding: finding.level != "error")


def _place(prompt: Prompt) -> str:
    return f"{prompt.id} ({prompt.source})" if prompt.source else prompt.id


def _text_findings(prompt: Prompt) -> Iterator[Finding]:
    if len(prompt.text.strip()) < _SHORTEST:
        yield Finding(
            "warning",
            _place(prompt),
            f"the text has fewer than {_SHORTEST} characters, too few for attention to vary; "
            "write a longer one.",
        )
    for name, text in (("text", prompt.text), ("target", prompt.target or "")):
        if text != text.strip():
            yield Finding(
                "warning",
                _place(prompt),
                f"the {name} begins or ends with white space, which becomes tokens; delete it.",
            )
        if any(unicodedata.category(mark) == "Cc" and mark not in "\t\n\r" for mark in text):
            yield Finding(
                "warning", _place(prompt), f"the {name} holds control characters; delete them."
            )


def _leak_findings(prompt: Prompt) -> Iterator[Finding]:
    found = _ANSWER.search(prompt.text)
    target = _normalized(prompt.target or "")
    if found:
        yield Finding(
            "warning",
            _place(prompt),
            f"the text seems to hold its answer ({found.group(0).strip()[:40]!r}), which spares a "
            "model the work; end it where the answer would begin.",
        )
    # A label such as "positive" may well be among the choices that the text offers.
    elif len(target.split()) >= _LEAKED_WORDS and target in _normalized(prompt.text):
        yield Finding(
            "warning",
            _place(prompt),
            f"the text holds its own target ({(prompt.target or '')[:40]!r}); take it out, unless "
            "repeating is the task.",
        )


def _duplicate_findings(prompts: Sequence[Prompt]) -> Iterator[Finding]:
    for first, second, similarity in near_duplicates(prompts, at_least=_SIMILAR):
        if second.control is not None and first.cluster == second.cluster:
            continue
        if similarity == 1 and _normalized(first.text) == _normalized(second.text):
            yield Finding(
                "error",
                _place(second),
                f"the text is that of {_place(first)} but for case, spaces and marks, so it would "
                "count twice; rewrite or delete one.",
            )
        else:
            yield Finding(
                "warning",
                _place(second),
                f"the text is close to {_place(first)} (similarity {similarity:.2f} of 1); "
                "rewrite one, as the statistics take prompts to be independent.",
            )


def _size_findings(task: Task) -> Iterator[Finding]:
    if len(task.prompts) < _FEWEST_PROMPTS:
        count = f"{len(task.prompts)} prompt{'' if len(task.prompts) == 1 else 's'}"
        yield Finding(
            "warning",
            task.name,
            f"the task has {count}, and intervals over fewer than {_FEWEST_PROMPTS} are wide; "
            "add some.",
        )


def _length_findings(suite: Suite, lengths: Mapping[str, int] | None) -> Iterator[Finding]:
    unit = "words" if lengths is None else "tokens"
    medians = {
        task.name: statistics.median(
            word_count(prompt.text) if lengths is None else lengths[prompt.id]
            for prompt in task.prompts
        )
        for task in suite.tasks
    }
    short, long = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
    if medians[long] > _UNEVEN * medians[short]:
        yield Finding(
            "warning",
            suite.name,
            f"the median length runs from {medians[short]:g} {unit} ({short}) to "
            f"{medians[long]:g} ({long}), so a difference between tasks may be one of length; "
            "even the lengths out, or adjust for them.",
        )


def _form_findings(suite: Suite) -> Iterator[Finding]:
    found = forms(suite)
    for name, counts in found.items():
        own = counts.total()
        others = sum((found[other] for other in found if other != name), Counter())
        if own < _FEWEST_PROMPTS or others.total() < _FEWEST_PROMPTS:
            continue
        for form in FORMS:
            share, elsewhere = counts[form] / own, others[form] / others.total()
            if share - elsewhere > _OTHER_FORM:
                yield Finding(
                    "warning",
                    name,
                    f"{share:.0%} of its prompts are {form}s and {elsewhere:.0%} of the others', "
                    "so a difference may be one of form; write some in other forms.",
                )


def _target_findings(suite: Suite) -> Iterator[Finding]:
    bare = [prompt for prompt in suite.prompts if not prompt.target]
    if 0 < len(bare) < len(suite.prompts):
        yield Finding(
            "warning",
            suite.name,
            f"{len(bare)} of {len(suite.prompts)} prompts have no target (first: "
            f"{_place(bare[0])}), and there the decoder of an encoder-decoder model reads its "
            "start token alone; give all prompts a target, or none.",
        )


def near_duplicates(
    prompts: Sequence[Prompt], *, at_least: float
) -> Iterator[tuple[Prompt, Prompt, float]]:
    """Yield pairs of prompts with similar texts, and their similarity from 0 to 1.

    The similarity is the Jaccard index of the sets of five-character shingles of both texts,
    without case, spaces and marks (Broder 1997): 1 for texts with the same shingles, 0 for
    texts with none in common. Only pairs that share a rare shingle are compared, which misses
    none at or above the threshold.

    Args:
        prompts: any number.
        at_least: the smallest similarity of interest, above 0.
    """
    sets = [_shingles(prompt.text) for prompt in prompts]
    counts = Counter(shingle for shingles in sets for shingle in shingles)
    seen: defaultdict[str, list[int]] = defaultdict(list)
    for index, shingles in enumerate(sets):
        rarest_first = sorted(shingles, key=lambda shingle: (counts[shingle], shingle))
        # Sets with Jaccard index J >= t share at least t * size shingles, hence one of these.
        prefix = rarest_first[: len(shingles) - math.ceil(at_least * len(shingles) - 1e-9) + 1]
        for other in sorted({found for shingle in prefix for found in seen[shingle]}):
            similarity = len(shingles & sets[other]) / len(shingles | sets[other])
            if similarity >= at_least:
                yield prompts[other], prompts[index], similarity
        for shingle in prefix:
            seen[shingle].append(index)


def _normalized(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\W_]+", " ", plain).strip() or plain


def _shingles(text: str) -> frozenset[str]:
    plain = _normalized(text)
    return frozenset(plain[i : i + _SHINGLE] for i in range(max(1, len(plain) - _SHINGLE + 1)))
