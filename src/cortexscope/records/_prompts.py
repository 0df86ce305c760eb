"""What a prompt is, and how files became the prompts of a suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import Field

from cortexscope.records._record import Record

__all__ = ["Attribute", "Control", "Prompt", "Reading", "Sampling", "SuiteInfo", "Turn", "said_of"]

Control = Literal["paraphrase", "shuffled", "random"]
"""Made from a prompt: in other words, its words shuffled, or as many tokens drawn at random."""

Attribute = str | int | float | bool | None
"""A value of a column that the user's own prompts came with; None where a prompt has none."""


class Turn(NamedTuple):
    """What somebody says in a conversation."""

    role: str
    """Whose turn it is: `user`, `assistant`, `system`, or what else a chat template knows."""
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One input text, with a stable id and its task."""

    id: str
    """Unique in its suite and stable for ever."""
    task: str
    """The cognitive category it belongs to."""
    text: str
    """The text as the model's tokenizer receives it; of a conversation, what is shown of it."""
    source: str | None = None
    """Where it was read from, such as `my-suite.yaml:12`."""
    target: str | None = None
    """What the decoder of an encoder-decoder model reads; None for its start token alone."""
    control: Control | None = None
    """How it was made from another prompt; None for a prompt of its own."""
    origin: str | None = None
    """The id of the prompt that it was made from; None where it was not."""
    attributes: Mapping[str, Attribute] = field(default_factory=dict, hash=False)
    """What else is known of it, by the user's own names, such as a difficulty or a label; in a
    suite each name has values of one type, or None."""
    turns: tuple[Turn, ...] = ()
    """A conversation up to the last turn of the user, which a model reads in its chat template."""

    @property
    def cluster(self) -> str:
        """The id of the prompt behind it: prompts of one cluster are not independent."""
        return self.origin or self.id


class Reading(Record):
    """How a file, or what stands for one, became prompts of a suite."""

    source: str
    """The file as it was named."""
    shape: str | None = None
    """The data set that its columns are those of, None where they are a suite's or were named."""
    columns: dict[str, str] = Field(default_factory=dict)
    """What each of text, task, id and target was read from."""
    attributes: list[str] = Field(default_factory=list)
    """The columns of the user's own that were kept."""
    rows: int
    """How many there were."""
    bad_rows: int = 0
    """How many gave no prompt and were left out, as the user asked."""
    faults: list[str] = Field(default_factory=list)
    """The places of the first of them, and why."""

    def left_out(self) -> str:
        """Return how many rows are left out, and why the first is; empty where none is."""
        if not self.bad_rows:
            return ""
        return (
            f"{self.source}: {self.bad_rows} of {self.rows} rows are left out, the first as "
            f"{self.faults[0]}"
        )

    def sentences(self) -> list[str]:
        """Return what there is to say of it, nothing where it is a suite's own file."""
        kept = ", ".join(self.attributes)
        said = []
        if self.shape is not None:
            columns = ", ".join(f"{name} = {source}" for name, source in self.columns.items())
            beside = f"; kept beside: {kept}" if kept else ""
            said.append(f"{self.source}: read as {self.shape} ({columns}{beside})")
        elif kept:
            said.append(f"{self.source}: columns kept beside the prompts: {kept}")
        return [*said, *filter(None, [self.left_out()])]


class Sampling(Record):
    """Which of all prompts are in a suite, where not all are."""

    limit: int | None
    per_task: int | None
    seed: int
    prompts: int
    """How many there were to choose from."""

    def sentence(self, name: str, kept: int) -> str:
        """Return which prompts of a suite, so many, are read."""
        most = {"in all": self.limit, "a task": self.per_task}
        said = (f"at most {count} {what}" for what, count in most.items() if count is not None)
        return (
            f"{name}: {kept} of {self.prompts} prompts, {' and '.join(said)}, drawn with seed "
            f"{self.seed}"
        )


def said_of(
    name: str, prompts: int, readings: Iterable[Reading], sampling: Sampling | None
) -> list[str]:
    """Return what there is to say of how files became a suite of so many prompts."""
    said = [sentence for reading in readings for sentence in reading.sentences()]
    return said if sampling is None else [*said, sampling.sentence(name, prompts)]


class SuiteInfo(Record):
    """Which prompts a run read."""

    name: str
    version: str
    hash: str
    """SHA-256 over the tasks and prompts that were used, in canonical form."""
    tasks: list[str]
    prompts: int
    readings: list[Reading] = Field(default_factory=list)
    """Of the files of rows that it was read from, if it was."""
    sampling: Sampling | None = None

    def sentences(self) -> list[str]:
        """Return what there is to say of how files became the suite."""
        return said_of(self.name, self.prompts, self.readings, self.sampling)
