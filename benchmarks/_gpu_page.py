"""The findings of `gpu.py` as Markdown: tables that can go into a page as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["page"]

Findings = Sequence[dict[str, Any]]


def page(found: Findings) -> str:
    """Return all findings as Markdown, each part under a heading of its own."""
    of = {
        part: [row for row in found if row["part"] == part] for part in (f["part"] for f in found)
    }
    parts = [_machine(of["machine"][0])]
    made = {
        "tests": _tests,
        "kernels": _kernels,
        "textbook": _textbook,
        "exactness": _exactness,
        "selfchecks": _selfchecks,
        "overhead": _overhead,
    }
    parts += [make(of[part]) for part, make in made.items() if part in of]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; what is None is a dash."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    lines += [["–" if cell is None else str(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(found: dict[str, Any]) -> str:
    said = found.get("cuda") or found["processor"]
    memory = f", {found['memory']}" if "memory" in found else ""
    return (
        f"Measured by `benchmarks/gpu.sh` on {said}{memory}; a {found['model']} with "
        f"{found['weights']} weights; torch {found['torch']}, "
        f"transformers {found['transformers']}, Python {found['python']}."
    )


def _tests(found: Findings) -> str:
    (row,) = found
    if row["passed"] is None:
        return f"Tests: none was run, {row['reason']}."
    failed = row["failures"] + row["errors"]
    said = f"{row['tests']} tests, {failed} failed, {row['skipped']} skipped"
    return f"Tests: {said}{': ' if row['failed'] else ''}{', '.join(row['failed'])}."


def _kernels(found: Findings) -> str:
    rows = []
    for kind in dict.fromkeys((row["dtype"], row["mask"], row["kernel"]) for row in found):
        own = [row for row in found if (row["dtype"], row["mask"], row["kernel"]) == kind]
        widths = ", ".join(str(width) for width in dict.fromkeys(row["width"] for row in own))
        worst = [
            _power(max((row[name] for row in own), default=0)) if kind[2] else None
            for name in ("lse_error", "output_error")
        ]
        # Where one width is left to the kernel, the dash says so.
        compiled = all(row["compiled"] for row in own)
        worst.append(_power(max(row["entropy_error"] for row in own)) if compiled else None)
        rows.append([f"{kind[0]}, {kind[1]}", kind[2] or "in chunks", widths, *worst])
    off = ("log-sum-exp off by", "output off by", "entropy of compiled code off by")
    head = ("tensors, mask", "kernel", "features", *off)
    return table(head, rows)


def _textbook(found: Findings) -> str:
    names = list(found[0]["deviations"])
    rows = ([row["tokens"], *(_power(row["deviations"][n]) for n in names)] for row in found)
    return "Of whole matrices in float64:\n\n" + table(["tokens", *names], rows)


def _exactness(found: Findings) -> str:
    rows = (
        [
            row["dtype"],
            len(row["deviations"]),
            f"{row['values']:,}",
            _power(row["median_deviation"]),
            _power(row["largest_deviation"]),
            f"`{row['worst']}`",
        ]
        for row in found
    )
    head = ("", "metrics", "values", "median metric off by", "worst off by", "which is")
    return "Of the CPU in float64:\n\n" + table(head, rows)


def _selfchecks(found: Findings) -> str:
    rows = ([row["dtype"], row["checks"], len(row["failed"])] for row in found)
    return table(("selfcheck", "checks", "failed"), rows) + "".join(
        f"\n\n{row['dtype']}, {check}: {sentence}"
        for row in found
        for check, sentence in row["failed"].items()
    )


def _overhead(found: Findings) -> str:
    ways = list(dict.fromkeys(way for row in found for way in row["ways"]))
    rows = []
    for row in found:
        bare = row["ways"]["bare"]
        cells = [f"{row['dtype']}, {row['tokens']} × {row['batch']}"]
        cells.append(f"{1000 * bare['seconds']:.1f} ms, {bare['above_start_mb']:.0f} MB")
        for way in ways[1:]:
            cost = row["ways"].get(way)
            cells.append(
                None
                if cost is None
                else f"{cost['seconds_ratio']:.2f} ×, {cost['above_start_mb']:.0f} MB"
            )
        rows.append(cells)
    text = "Time, and memory above the weights, of a batch:\n\n"
    return text + table(["tokens × prompts", *ways], rows)


def _power(value: float) -> str:
    return "0" if value == 0 else f"{value:.0e}"
