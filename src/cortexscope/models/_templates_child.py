"""Run as a process: render a chat template for each line of the input, by transformers' rules."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import signal
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["TIME_IS_UP"]

TIME_IS_UP = getattr(signal, "SIGPROF", 0)
"""The signal that ends the process then; where there is none, whoever asks waits longer."""

_MEMORY = 2**30
"""Bytes of address space."""
_MORE = 1_000_000
"""Characters that a template may write beyond those of its conversation."""
_LONGEST_FAULT = 2000

_PACKAGES = ("transformers", "transformers.utils")
_RENDERER = "transformers.utils.chat_template_utils"


def _renderer() -> Callable[..., Any]:
    """Return transformers' own function; without torch, which it need not know, it is here soon."""
    sys.modules["torch"] = None  # type: ignore[assignment]
    found = importlib.util.find_spec(_PACKAGES[0])
    root = Path(found.origin).parent if found and found.origin else Path()
    for name in _PACKAGES:
        # All that the packages import of their own takes four times as long as what is needed.
        bare = types.ModuleType(name)
        bare.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = bare
    try:
        module = importlib.import_module(_RENDERER)
    except Exception:  # another version may need more of them
        for name in [name for name in sys.modules if name.split(".")[0] == _PACKAGES[0]]:
            del sys.modules[name]
        module = importlib.import_module(_RENDERER)
    render: Callable[..., Any] = module.render_jinja_template
    return render


def _bound_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not every system has bounds
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _bound_time(seconds: float) -> None:
    if TIME_IS_UP:
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _answer(render: Callable[..., Any], asked: dict[str, Any]) -> dict[str, str]:
    messages = asked["messages"]
    most = _MORE + sum(len(str(message.get("content"))) for message in messages)
    try:
        texts, _ = render(
            conversations=[messages],
            chat_template=asked["template"],
            add_generation_prompt=True,
            **asked["variables"],
        )
        text = str(texts[0])
        if len(text) > most:
            return {"fault": f"it writes {len(text):,} characters, more than {most:,}"}
    except MemoryError:
        return {"fault": f"it needs more than {_MEMORY / 2**30:.0f} GB of memory"}
    except RecursionError:
        return {"fault": "it calls itself without end"}
    # A template may fail in any way.
    except Exception as error:
        return {"fault": str(error)[:_LONGEST_FAULT] or type(error).__name__}
    return {"text": text}


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks ends it
    render = _renderer()
    _bound_memory()
    answers = sys.stdout
    sys.stdout = sys.stderr  # which nobody reads: what is printed is no answer
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        _bound_time(asked["seconds"])
        answer = _answer(render, asked)
        _bound_time(0)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _main()
