"""What a room keeps to itself, no other room imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cortexscope

_SOURCE = Path(cortexscope.__file__).parent


@pytest.mark.slow
def test_no_room_imports_a_private_module_of_another() -> None:
    wrong = []
    files = list(_SOURCE.rglob("*.py"))
    for file in files:
        room = file.relative_to(_SOURCE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            package, *path = node.module.split(".")
            # What stands beside the rooms, such as the version, is of all of them.
            others = package == "cortexscope" and len(path) > 1 and path[0] != room
            if others and any(name.startswith("_") for name in path):
                wrong.append(f"{file.relative_to(_SOURCE)}: {node.module}")
    assert len(files) > 300
    assert wrong == []
