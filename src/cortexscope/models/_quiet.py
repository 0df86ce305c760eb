"""Keep the libraries below from talking to the user, and quote what they say in an error."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

from huggingface_hub.utils import logging as hub_logging
from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)
from transformers.utils import logging as transformers_logging

from cortexscope.models._panics import contained

__all__ = ["quiet", "reason"]

_OTHERS = ("accelerate", "bitsandbytes", "optimum", "peft", "torchao")


def reason(error: BaseException) -> str:
    """Return the part of another library's error that fits in a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Validation errors name the field in the first line and what is wrong in the second.
    text = " ".join(lines[:2]) if lines else type(error).__name__
    return (text if len(text) <= 300 else text[:297] + "...").rstrip(".")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence logs, warnings and progress bars of the libraries that load; restore them.

    Raises:
        RuntimeError: in place of a panic.
    """
    verbosity = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    loggers = [logging.getLogger(name) for name in _OTHERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    transformers_logging.set_verbosity(logging.CRITICAL)
    hub_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    disable_progress_bars()
    try:
        with warnings.catch_warnings(), contained():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        transformers_logging.set_verbosity(verbosity[0])
        hub_logging.set_verbosity(verbosity[1])
        if bars[0]:
            transformers_logging.enable_progress_bar()
        if bars[1]:
            enable_progress_bars()
