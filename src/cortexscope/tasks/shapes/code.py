"""Programs to be written."""

from __future__ import annotations

from cortexscope.tasks.shapes._shape import Shape, columns

__all__ = ["SHAPES"]

_TESTS = frozenset({"test", "test_setup_code", "test_imports", "challenge_test_list"})

SHAPES = (
    Shape(
        title="HumanEval",
        needs=frozenset({"task_id", "prompt", "canonical_solution"}),
        fields=columns(text="prompt", id="task_id", target="canonical_solution"),
        uses=_TESTS | {"entry_point"},
    ),
    *(
        Shape(
            title="MBPP",
            needs=frozenset({"task_id", text, "code", "test_list"}),
            fields=columns(text=f"{{{text}}}\n{{test_list}}", id="mbpp-{task_id}", target="{code}"),
            uses=_TESTS | {"source_file"},
        )
        for text in ("text", "prompt")
    ),
)
