"""Open the models of a run, and say what each makes of the prompts: targets, chat templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cortexscope import models
from cortexscope.engine._request import Progress, Settings
from cortexscope.errors import UsageError
from cortexscope.records import Prompt

if TYPE_CHECKING:
    from cortexscope.models import Chat, ModelSource

__all__ = ["note_targets", "open_chats", "open_source"]


def open_source(reference: str, settings: Settings, progress: Progress) -> ModelSource:
    """Return a model, its files fetched and checked, as the settings ask for it.

    Raises:
        UsageError: if the reference or a setting is wrong.
        ModelError: if the model cannot be found, read or trusted.
    """
    return models.open_model(
        reference,
        dtype=settings.dtype,
        device=settings.device,
        device_map=settings.device_map,
        quantize=settings.quantize,
        tokenizer=settings.tokenizer,
        allow_pickle=settings.allow_pickle,
        trust_remote_code=settings.trust_remote_code,
        note=progress.note,
    )


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


def open_chats(
    sources: Sequence[ModelSource], settings: Settings, progress: Progress
) -> dict[str, Chat]:
    """Return the models' chat templates by label, none where they were not asked for.

    A model that takes none reads the prompts as they are, which `progress` is told.

    Raises:
        UsageError: if no model takes one, or one that a model has cannot do what was asked.
    """
    if not settings.chat_template:
        return {}
    chats = {
        source.info.model: models.open_chat(source.tokenizer, source.info, system=settings.system)
        for source in sources
    }
    refused = {label: chat.use.reason for label, chat in chats.items() if chat.use.reason}
    if len(refused) == len(chats):
        reasons = "; ".join(f"{label}: {reason}" for label, reason in refused.items())
        raise UsageError(
            f"A chat template was asked for, and no model of the run takes one ({reasons}); leave "
            "--chat-template out, or name a model that was trained to chat."
        )
    for label, reason in refused.items():
        progress.note(f"{label}: reads the prompts without chat template: {reason}")
    return chats
