"""Choose some of many prompts, the same on every machine, with no more of them kept than that."""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections import defaultdict
from dataclasses import replace

from cortexscope.records import Prompt, Sampling
from cortexscope.tasks._pile import Pile
from cortexscope.tasks._suite import Suite
from cortexscope.tasks.sources import ReadOptions

__all__ = ["Sample", "sampled"]


class Sample:
    """The prompts that are wanted of those that come.

    Each prompt has a rank, a hash of the seed and its id, and those of the lowest ranks stay: a
    larger sample holds the smaller, and a further prompt changes no more than its own place.
    """

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._seen = 0
        self._heaps: defaultdict[str, list[tuple[int, int, Prompt]]] = defaultdict(list)
        self._all = Pile()

    def add(self, prompt: Prompt) -> None:
        """Take a prompt, if it is among those of the lowest ranks so far."""
        self._seen += 1
        most = self._options.per_task or self._options.limit
        if most is None:
            self._all.add(prompt)
            return
        heap = self._heaps[prompt.task if self._options.per_task else ""]
        # The first of a heap has the highest rank, which is the next to go.
        entry = (-_rank(self._options.limit_seed, prompt.id), self._seen, prompt)
        if len(heap) < most:
            heapq.heappush(heap, entry)
        elif entry > heap[0]:
            heapq.heapreplace(heap, entry)

    def place_of(self, prompt_id: str) -> str:
        """Return where the prompt with an id was read, for a sentence; empty if it did not stay."""
        sampled = (prompt for heap in self._heaps.values() for _, _, prompt in heap)
        kept = itertools.chain(self._all, sampled)
        found = next((prompt.source for prompt in kept if prompt.id == prompt_id), None)
        return f" at {found}" if found else ""

    def kept(self) -> Pile:
        """Return the prompts that stay, in the order in which they came."""
        if not self._options.samples:
            return self._all
        entries = sorted((entry for heap in self._heaps.values() for entry in heap), reverse=True)
        entries = entries[: self._options.limit]
        return Pile(prompt for _, _, prompt in sorted(entries, key=lambda entry: entry[1]))

    def told(self) -> Sampling | None:
        """Return what a manifest keeps of it, None where all prompts stay."""
        if not self._options.samples:
            return None
        return Sampling(
            limit=self._options.limit,
            per_task=self._options.per_task,
            seed=self._options.limit_seed,
            prompts=self._seen,
        )


def sampled(suite: Suite, options: ReadOptions) -> Suite:
    """Return a suite with as many of its prompts as are wanted; paraphrases go with theirs."""
    if not options.samples:
        return suite
    sample = Sample(options)
    for prompt in suite.prompts:
        if prompt.control is None:
            sample.add(prompt)
    stay = {prompt.id for prompt in sample.kept()}
    tasks = [
        replace(task, prompts=tuple(each for each in task.prompts if each.cluster in stay))
        for task in suite.tasks
    ]
    return replace(
        suite, tasks=tuple(task for task in tasks if task.prompts), sampling=sample.told()
    )


def _rank(seed: int, prompt_id: str) -> int:
    # A hash, as the random numbers of a library may change between its versions.
    return int.from_bytes(hashlib.sha256(f"{seed}:{prompt_id}".encode()).digest()[:16], "big")
