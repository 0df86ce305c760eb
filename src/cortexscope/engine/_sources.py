"""Open the models of a run, and say what each makes of the prompts: targets, chat templates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cortexscope import models
from cortexscope.engine._request import Progress, Settings
from cortexscope.errors import UsageError
from cortexscope.models import parse_reference
from cortexscope.records import Prompt
from cortexscope.store import LONGEST_LABEL, plain_name

if TYPE_CHECKING:
    from cortexscope.engine._encode import Encoded
    from cortexscope.models import Chat, ModelSource

__all__ = [
    "check_labels",
    "note_targets",
    "note_words",
    "open_chats",
    "open_source",
    "unknown_share",
]

_MANY_UNKNOWN = 0.1
"""Share of unknown tokens above which a user is told."""


def check_labels(references: Sequence[str]) -> None:
    """Check that each model has a name of its own, which a file can have too.

    Raises:
        UsageError: if none is named, or two alike, or one is too long.
    """
    if not references:
        raise UsageError("No model was named; name one with --model, such as demo-decoder.")
    counts = Counter(parse_reference(reference).label for reference in references)
    for label, count in counts.items():
        if count > 1:
            raise UsageError(
                f"Two models are called {label!r}; give them names of their own, "
                f"such as first={label}."
            )
        size = len(plain_name(label).encode())
        if size > LONGEST_LABEL:
            raise UsageError(
                f"The model's name {label[:40]}... takes {size} bytes in names of files, which "
                f"hold {LONGEST_LABEL}; give it a shorter one, such as --model short=REF."
            )


def open_source(reference: str, settings: Settings, progress: Progress) -> ModelSource:
    """Return a model, its files fetched and checked, as the settings ask for it.

    Raises:
        UsageError: if the reference or a setting is wrong.
        ModelError: if the model cannot be found, read or trusted.
    """
    return models.open_model(reference, settings.loading, note=progress.note)


def note_targets(source: ModelSource, prompts: Sequence[Prompt], progress: Progress) -> None:
    """Say once a model what becomes of the suite's targets."""
    label = source.info.model
    given = sum(prompt.target is not None for prompt in prompts)
    if source.info.stack_kind != "encoder-decoder":
        if given:
            progress.note(
                f"{label}: has no decoder of its own to read targets; the {given} targets of the "
                "suite are not used"
            )
    elif given < len(prompts):
        progress.note(
            f"{label}: {len(prompts) - given} of {len(prompts)} prompts have no target; there the "
            "decoder reads its start token alone"
        )


def note_words(source: ModelSource, encoded: Sequence[Encoded], progress: Progress) -> list[str]:
    """Return what there is to say of the tokens that a model's tokenizer made, and say it.

    Controls of random tokens are no text, and are left out.
    """
    lines = []
    unknown = unknown_share(source.tokenizer, encoded)
    if unknown > _MANY_UNKNOWN:
        lines.append(
            f"{100 * unknown:.1f} % of the prompts' tokens are {source.tokenizer.unk_token!r}, "
            "which stands for what its tokenizer does not know; its numbers say little of these "
            "texts"
        )
    begun = [item for item in encoded if item.wrapped == item.prompt.text]
    if begun:
        token = source.tokenizer.convert_ids_to_tokens(begun[0].ids[0])
        lines.append(
            f"{len(begun)} of {len(encoded)} prompts begin with {token!r}, which its tokenizer "
            "puts before each text; there it stands once"
        )
    for line in lines:
        progress.note(f"{source.info.model}: {line}")
    return lines


def unknown_share(tokenizer: Any, encoded: Sequence[Encoded]) -> float:  # noqa: ANN401
    """Return which share of the tokens of prompts stands for text that a tokenizer does not know.

    Special tokens around the texts do not count.
    """
    token, special = tokenizer.unk_token_id, set(tokenizer.all_special_ids)
    ends = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    if token is None or token in ends:
        return 0.0
    texts = [item for item in encoded if item.prompt.control != "random"]
    ids = [id for item in texts for id in (*item.ids, *(item.target or ()))]
    counted = [id for id in ids if id == token or id not in special]
    return counted.count(token) / len(counted) if counted else 0.0


def open_chats(
    sources: Sequence[ModelSource],
    settings: Settings,
    progress: Progress,
    prompts: Sequence[Prompt] = (),
) -> dict[str, Chat]:
    """Return the models' chat templates by label, none where they were not asked for.

    They are where `prompts` hold conversations. A model that takes none reads the prompts as they
    are, conversations as their text, which `progress` is told.

    Raises:
        UsageError: if no model takes one, or one that a model has cannot do what was asked.
    """
    talks = sum(bool(prompt.turns) for prompt in prompts)
    if not settings.chat_template and not talks:
        return {}
    chats = {
        source.info.model: models.open_chat(
            source.tokenizer, source.info, system=settings.system, every=settings.chat_template
        )
        for source in sources
    }
    refused = {label: chat.use.reason for label, chat in chats.items() if chat.use.reason}
    if settings.chat_template and len(refused) == len(chats):
        reasons = "; ".join(f"{label}: {reason}" for label, reason in refused.items())
        raise UsageError(
            f"A chat template was asked for, and no model of the run takes one ({reasons}); leave "
            "--chat-template out, or name a model that was trained to chat."
        )
    for label, reason in refused.items():
        what = "the prompts" if settings.chat_template else f"{talks} conversations"
        progress.note(f"{label}: reads {what} without chat template: {reason}")
    return chats
