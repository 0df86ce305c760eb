"""Which implementation of attention a model runs: one that can be seen into, whatever it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from transformers import PreTrainedConfig

__all__ = ["VISIBLE", "attention_of", "drop_hidden", "replaced"]

VISIBLE = ("eager", "sdpa")
"""The implementations that a tap sees the rows of; both compute the same numbers."""


def drop_hidden(config: PreTrainedConfig) -> tuple[str, ...]:
    """Take from a configuration the names of all attention that cannot be seen into.

    That is anything but eager and sdpa: a kernel that may not be installed here, would be fetched,
    or keeps its rows to itself, and names that mean nothing. transformers then chooses as it does
    where none is named: sdpa, and eager for a model that has no sdpa.

    Returns:
        What was taken, as it is printed in messages.
    """
    hidden: list[str] = []
    for part in _nested(config):
        named = part._attn_implementation
        if named is None or named == "eager":
            continue
        if named != "sdpa":
            hidden.append(str(named))
        part._attn_implementation_internal = None
    return tuple(dict.fromkeys(hidden))


def attention_of(config: PreTrainedConfig) -> str | None:
    """Return the implementation that the language model of a built model's configuration runs."""
    named = getattr(config.get_text_config(), "_attn_implementation", None)
    return named if isinstance(named, str) else None


def replaced(hidden: Sequence[str], used: str | None) -> tuple[str, ...]:
    """Return what to tell of attention that a configuration named and that is not run.

    Args:
        hidden: what was taken out of it.
        used: what runs in its place.
    """
    if not hidden:
        return ()
    names = " and ".join(map(repr, hidden))
    return (
        f"runs its attention as {used}, since {names} of its config.json cannot be seen into or is "
        "not installed (--attention chooses between sdpa and eager)",
    )


def _nested(config: PreTrainedConfig) -> Iterator[PreTrainedConfig]:
    """Yield a configuration and all that lie in it."""
    yield config
    for value in list(vars(config).values()):
        if isinstance(value, PreTrainedConfig):
            yield from _nested(value)
