"""What a suite is: tasks with their prompts, a version, and a hash of the content."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from cortexscope.errors import SuiteError, UnknownNameError, UsageError
from cortexscope.records import Prompt, Reading, Sampling, SuiteInfo, said_of, suite_hash
from cortexscope.registry import suggestion
from cortexscope.tasks._attributes import Kinds, cast
from cortexscope.tasks._pile import Pile, chained

__all__ = ["Spread", "Suite", "Task", "with_one_type", "word_count"]

_WORD = re.compile(r"\w+(?:['’]\w+)*")


class Spread(NamedTuple):
    """The smallest, middle and largest of some counts."""

    least: int
    median: float
    most: int


def word_count(text: str) -> int:
    """Return the number of words of a text: runs of letters, digits and underscores.

    Example:
        >>> word_count("It's late, isn't it?")
        4
    """
    return len(_WORD.findall(text))


@dataclass(frozen=True, slots=True)
class Task:
    """One cognitive category with its prompts."""

    name: str
    description: str
    """A few words on what the prompts ask for; empty where nobody gave any."""
    prompts: Sequence[Prompt]
    """A tuple, but where they are many thousands."""

    def words(self) -> Spread:
        """Return the spread of the prompts' lengths, in words."""
        counts = [word_count(prompt.text) for prompt in self.prompts]
        return Spread(min(counts), statistics.median(counts), max(counts))


@dataclass(frozen=True, slots=True)
class Suite:
    """A set of tasks with their prompts, versioned.

    Raises:
        SuiteError: if there is no prompt, a task has none or comes twice, two prompts share an
            id, or a prompt has another task than the one that holds it or its origin.

    Example:
        >>> prompt = Prompt(id="sum-001", task="sums", text="What is 17 plus 25?")
        >>> suite = Suite("tiny", "1", (Task("sums", "additions", (prompt,)),))
        >>> suite.hash[:12]
        '19b88b970562'
    """

    name: str
    version: str
    tasks: tuple[Task, ...]
    readings: tuple[Reading, ...] = field(default=(), compare=False)
    """How files of rows became its prompts."""
    sampling: Sampling | None = field(default=None, compare=False)
    """Which of all prompts it has, None where it has all."""

    def __post_init__(self) -> None:
        if not self.tasks:
            raise SuiteError(f"Suite {self.name!r} has no prompts; give it at least one task.")
        tasks: set[str] = set()
        ids: set[str] = set()
        for task in self.tasks:
            if task.name in tasks:
                raise SuiteError(f"Suite {self.name!r} has task {task.name!r} twice; join them.")
            if not task.prompts:
                raise SuiteError(f"Task {task.name!r} has no prompts; add some or leave it out.")
            tasks.add(task.name)
            for prompt in task.prompts:
                if prompt.id in ids:
                    raise SuiteError(f"Two prompts have the id {prompt.id!r}; rename one of them.")
                if prompt.task != task.name:
                    raise SuiteError(
                        f"Prompt {prompt.id!r} names task {prompt.task!r} but is held by "
                        f"{task.name!r}; make them agree."
                    )
                ids.add(prompt.id)
        self._check_origins()

    def _check_origins(self) -> None:
        made = [prompt for prompt in self.prompts if prompt.origin is not None]
        if not made:
            return
        known = {prompt.id: prompt for prompt in self.prompts}
        for prompt in made:
            origin = known.get(prompt.origin or "")
            if origin is None:
                continue
            if origin.task != prompt.task:
                raise SuiteError(
                    f"Prompt {prompt.id!r} of task {prompt.task!r} is a {prompt.control} of "
                    f"{origin.id!r}, which has the task {origin.task!r}; make them agree."
                )
            if origin.control is not None:
                raise SuiteError(
                    f"Prompt {prompt.id!r} is made from {origin.id!r}, which is itself made from "
                    f"{origin.origin!r}; name {origin.origin!r} for both."
                )

    @property
    def prompts(self) -> Sequence[Prompt]:
        """All prompts, task after task."""
        return chained([task.prompts for task in self.tasks])

    @property
    def hash(self) -> str:
        """SHA-256 over tasks and prompts in canonical order, in hexadecimal.

        Ids, texts, targets and origins count; name, version, descriptions, attributes, order and
        file layout do not: two suites with one hash show a model the same prompts.
        """
        return suite_hash((task.name, task.prompts) for task in self.tasks)

    def select(self, task_names: Iterable[str]) -> Suite:
        """Return the suite with the named tasks only, in the order of this suite.

        Args:
            task_names: names of tasks; one string is one name.

        Raises:
            UnknownNameError: if the suite has no such task; the message holds the nearest ones.
            UsageError: if no task is named.
        """
        wanted = {task_names} if isinstance(task_names, str) else set(task_names)
        known = [task.name for task in self.tasks]
        for name in sorted(wanted.difference(known)):
            raise UnknownNameError(
                f"There is no task {name!r} in suite {self.name!r}; {suggestion(name, known)}"
            )
        if not wanted:
            raise UsageError(f"No task of suite {self.name!r} was named; name at least one.")
        tasks = tuple(task for task in self.tasks if task.name in wanted)
        return replace(self, tasks=tasks)

    def find(self, name: str) -> Sequence[Prompt]:
        """Return the prompts of the task of that name, or the one prompt with that id.

        Raises:
            UnknownNameError: if it is neither; the message holds the nearest names.
        """
        for task in self.tasks:
            if task.name == name:
                return task.prompts
        found = tuple(prompt for prompt in self.prompts if prompt.id == name)
        if not found:
            tasks = [task.name for task in self.tasks]
            near = suggestion(name, [*tasks, *(prompt.id for prompt in self.prompts)])
            hint = near if near.startswith("did") else f"tasks: {', '.join(tasks)}."
            raise UnknownNameError(
                f"There is no task or prompt {name!r} in suite {self.name!r}; {hint}"
            )
        return found

    def sentences(self) -> list[str]:
        """Return what there is to say of how files became the suite, nothing where it is one."""
        return said_of(self.name, len(self.prompts), self.readings, self.sampling)

    def info(self) -> SuiteInfo:
        """Return what a manifest keeps of the suite."""
        return SuiteInfo(
            name=self.name,
            version=self.version,
            hash=self.hash,
            tasks=[task.name for task in self.tasks],
            prompts=len(self.prompts),
            readings=list(self.readings),
            sampling=self.sampling,
        )


def with_one_type(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return tasks that may have come from several places with columns of one type each."""
    kinds = Kinds()
    for task in tasks:
        for prompt in task.prompts:
            kinds.add(prompt, typed=True)
    types = kinds.types(kinds.names)
    if not types:
        return tuple(tasks)
    return tuple(
        replace(task, prompts=Pile(cast(prompt, types) for prompt in task.prompts).sealed())
        for task in tasks
    )
