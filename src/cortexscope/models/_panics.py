"""What panics in Rust, as tokenizers do, is an error as any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cortexscope.errors import CortexscopeError, ModelFileError

__all__ = ["contained", "tokenizing"]


@contextmanager
def contained() -> Iterator[None]:
    """Let a panic be an error as any other: pyo3 makes it one that ends programs.

    Raises:
        RuntimeError: in place of a panic.
    """
    try:
        yield
    except BaseException as error:
        # The class is in no module that could be imported.
        if type(error).__name__ == "PanicException":
            raise RuntimeError(str(error)) from error
        raise


@contextmanager
def tokenizing(called: str, where: str) -> Iterator[None]:
    """Say in a sentence on which text a tokenizer fails: one that reads others may.

    Args:
        called: how the sentence names the tokenizer.
        where: and the text.

    Raises:
        ModelFileError: in place of whatever it raises.
    """
    try:
        with contained():
            yield
    except CortexscopeError:
        raise
    except Exception as error:
        from cortexscope.models._quiet import reason

        raise ModelFileError(
            f"{called} fails on {where}: {reason(error)}; mend its files, take another model's "
            "with --tokenizer REF (tokenizer= in Python), or leave that text out."
        ) from error
