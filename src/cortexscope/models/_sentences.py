"""What a sentence-transformers folder says of the texts that its model reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from cortexscope.errors import ModelFileError
from cortexscope.models._folder import read_json

__all__ = ["SentenceSettings", "is_sentence_folder", "read_sentence_settings"]

# In the order in which sentence-transformers looks for them; the first one counts.
_KINDS = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
_PROMPTS = "config_sentence_transformers.json"
_ARGUMENTS = ("tokenizer_args", "model_args", "config_args")


class SentenceSettings(NamedTuple):
    """How sentence-transformers prepares a text for the model of a folder."""

    file: str | None = None
    """The file that says so, None where there is none."""
    lower_case: bool = False
    """Whether it is put into lower case first."""
    longest: int | None = None
    """Most tokens of it that are read, None where nothing is said."""
    notes: tuple[str, ...] = ()
    """What the folder asks for besides, and is not done here."""


def is_sentence_folder(folder: Path) -> bool:
    """Return whether sentence-transformers wrote a folder."""
    return (folder / "modules.json").is_file() or _file(folder) is not None


def read_sentence_settings(folder: Path) -> SentenceSettings:
    """Return what the sentence-transformers files of a folder say, nothing where there are none.

    Raises:
        ModelFileError: if a file says something that it cannot mean.
    """
    path = _file(folder)
    raw: dict[str, Any] = {} if path is None else read_json(path)
    lower, longest = raw.get("do_lower_case"), raw.get("max_seq_length")
    if lower is not None and not isinstance(lower, bool):
        raise ModelFileError(
            f"{path} has the do_lower_case {lower!r}, which is neither true nor false; correct it."
        )
    if longest is not None and (type(longest) is not int or longest < 1):
        raise ModelFileError(
            f"{path} has the max_seq_length {longest!r}, which is no number of tokens; correct it."
        )
    name = None if path is None else path.name
    notes = [f"the {key} of {name} are not used" for key in _ARGUMENTS if raw.get(key)]
    return SentenceSettings(name, bool(lower), longest, (*notes, *_default_prompt(folder)))


def _file(folder: Path) -> Path | None:
    names = (f"sentence_{kind}_config.json" for kind in _KINDS)
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _default_prompt(folder: Path) -> tuple[str, ...]:
    path = folder / _PROMPTS
    raw = read_json(path) if path.is_file() else {}
    name, prompts = raw.get("default_prompt_name"), raw.get("prompts")
    text = prompts.get(name) if isinstance(prompts, dict) and isinstance(name, str) else None
    if not text:
        return ()
    return (f"{_PROMPTS} puts {text!r} before each text, and the prompts are read without it",)
