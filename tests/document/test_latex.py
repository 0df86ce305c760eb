from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cortexscope.document import Column, Document, Part, Section, Table, render

_HOSTILE = (
    r"""\input{/etc/passwd} $x$ 50 % & a_b ^2 {c} #1 ~ <x> "y" ''z'' `w` a--b | \end{tabular}"""
)


def _document(rows: int) -> Document:
    frame = pd.DataFrame(
        {
            "name": [_HOSTILE, *(f"row {number}" for number in range(rows - 1))],
            "value": [np.nan, *np.linspace(-1234.5, 3.25, rows - 1)],
        }
    )
    columns = (Column("name", wraps=True), Column("value", "number", 2))
    reasons = {(0, "value"): "nothing_was & measured"}
    table = Table("a_key", _HOSTILE, (Part(frame, columns, reasons=reasons),), (_HOSTILE,))
    return Document("", (Section("s", "", (table,)),))


def test_numbers_are_columns_of_siunitx_and_what_is_undefined_is_a_dash() -> None:
    text = str(render(_document(3), "latex"))
    assert "{lS[table-format=-4.2]}" in text
    assert r"row 0 & -1234.50 \\" in text
    assert text.count("& {--} ") == 1
    assert r"\label{tab:a-key}" in text
    assert r"nothing\_was \& measured" in text


def test_no_text_is_a_command() -> None:
    text = str(render(_document(3), "latex"))
    assert r"\input{" not in text
    assert text.count(r"\end{tabular}") == 1
    assert r"\textbackslash{}input\{/etc/passwd\} \$x\$ 50 \% \& a\_b" in text


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 3, 60])
def test_it_is_set_by_latex(rows: int, tmp_path: Path) -> None:
    latex = shutil.which("pdflatex")
    styles = ("siunitx.sty", "booktabs.sty", "adjustbox.sty", "longtable.sty")
    known = shutil.which("kpsewhich")
    if latex is None or known is None:
        pytest.skip("LaTeX is not installed")
    if any(subprocess.run([known, own], capture_output=True).returncode for own in styles):
        pytest.skip("a package of LaTeX is not installed")
    body = str(render(_document(rows), "latex"))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}"
        "\\usepackage{adjustbox, booktabs, longtable, siunitx}\n"
        f"\\begin{{document}}\n{body}\\end{{document}}\n",
        encoding="utf-8",
    )
    command = [latex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")
