"""The study's script: which of its metrics it has a name for. It is read and never run."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cortexscope.errors import UsageError
from cortexscope.files import sha256_of

__all__ = ["Script", "read_script"]


@dataclass(frozen=True, slots=True)
class Script:
    """A Python file of the study."""

    path: Path
    sha256: str
    words: Counter[str]
    """How often each word is part of a name: of variables, functions, attributes and keys."""


def read_script(path: Path) -> Script:
    """Return the words of a Python file's names.

    Raises:
        UsageError: if it is no Python.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path.name} is no Python file ({type(error).__name__}); give the study's script as "
            "it was published, or leave it out."
        ) from error
    words = Counter(word for name in _names(tree) for word in _words(name))
    return Script(path, sha256_of(path), words)


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        for field in ("id", "attr", "name", "arg"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                yield name
        # Keys of results; texts in prose have a space.
        value = getattr(node, "value", None)
        if isinstance(value, str) and re.fullmatch(r"\w+", value):
            yield value


def _words(name: str) -> list[str]:
    """Return the words of a name, in small letters.

    Example:
        >>> _words("attentionEntropy_mean")
        ['attention', 'entropy', 'mean']
    """
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
