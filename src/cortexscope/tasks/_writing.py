"""Write a suite to a file that `load_suite` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from cortexscope.errors import UsageError
from cortexscope.files import whole_file
from cortexscope.records import Prompt
from cortexscope.tasks._reading import PARAPHRASE_OF
from cortexscope.tasks._suite import Suite

__all__ = ["check_suite_file", "write_suite"]

_YAML = (".yaml", ".yml")
_ENDINGS = (*_YAML, ".jsonl")


def check_suite_file(path: Path) -> None:
    """Check that a suite can be written to a path, before the work for it is done.

    Raises:
        UsageError: if its ending is none of .yaml, .yml and .jsonl, or something is there.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise UsageError(f"{path} must end in {', '.join(_ENDINGS)}, to be read as a suite again.")
    if path.exists():
        raise UsageError(f"{path} is there already; choose another name, or delete it.")


def write_suite(suite: Suite, path: Path) -> None:
    """Write a suite as YAML or as JSONL, by the ending of the path, whole or not at all.

    JSONL has no place for name, version and descriptions. Controls that a run makes itself
    (`shuffled`, `random`) are left out.

    Raises:
        UsageError: if its ending is neither, or something is there.
        StoreError: if it cannot be written.
    """
    check_suite_file(path)
    kept = {
        task: [_facts(p) for p in task.prompts if p.control in (None, "paraphrase")]
        for task in suite.tasks
    }
    if path.suffix.lower() in _YAML:
        tasks = {
            task.name: ({"description": task.description} if task.description else {})
            | {"prompts": prompts}
            for task, prompts in kept.items()
        }
        content = {"name": suite.name, "version": suite.version, "tasks": tasks}
        text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=100)
    else:
        rows = ({"task": task.name} | row for task, prompts in kept.items() for row in prompts)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def _facts(prompt: Prompt) -> dict[str, Any]:
    facts: dict[str, Any] = {"id": prompt.id}
    if prompt.turns:
        facts["messages"] = [turn._asdict() for turn in prompt.turns]
    else:
        facts["text"] = prompt.text
    more = {
        "target": prompt.target,
        PARAPHRASE_OF: prompt.origin,
        "attributes": dict(prompt.attributes),
    }
    return facts | {key: value for key, value in more.items() if value}
