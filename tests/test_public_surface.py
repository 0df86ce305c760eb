"""What `import cortexscope` offers, and what it costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

import cortexscope
from cortexscope.errors import UnknownNameError


def test_all_names_are_there() -> None:
    for name in cortexscope.__all__:
        assert getattr(cortexscope, name) is not None
    assert set(cortexscope.__all__) <= set(dir(cortexscope))
    with pytest.raises(AttributeError, match="No cortexscope attribute profle"):
        cortexscope.profle  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    "package", ["cortexscope", "cortexscope.engine", "cortexscope.models", "cortexscope.stats"]
)
def test_what_is_offered_is_what_type_checkers_see(package: str) -> None:
    stub = Path(str(files(package).joinpath("__init__.pyi"))).read_text(encoding="utf-8")
    told = {alias.asname for node in ast.walk(ast.parse(stub)) if isinstance(node, ast.ImportFrom)
            for alias in node.names}  # fmt: skip
    module = importlib.import_module(package)
    assert told == set(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("name", ["profile", "compare", "lesion"])
def test_help_says_what_each_argument_means(name: str) -> None:
    function = getattr(cortexscope, name)
    told = inspect.getdoc(function) or ""
    lacking = [
        own for own in inspect.signature(function).parameters if f"\n    {own}: " not in told
    ]
    assert not lacking


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, cortexscope; print({'torch', 'pandas', 'numpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "set()\n"


@pytest.mark.slow
def test_a_profile_reads_its_run_folder(
    tiny_folder: Path, suite_file: Path, tmp_path: Path
) -> None:
    asked = ["study", "attention_entropy", "attention_entropy_normalized", "attention_sink_mass"]
    profile = cortexscope.profile(
        f"tiny={tiny_folder}", suite_file, metrics=asked, out=tmp_path / "run"
    )
    frame = profile.frame("attention_entropy")
    assert set(frame["metric"]) == {"attention_entropy"}
    pd.testing.assert_frame_equal(
        profile.frame_polars("attention_entropy").to_pandas(), frame, check_dtype=False
    )
    assert len(profile.table(1)) == 2
    pd.testing.assert_frame_equal(profile.table("complete"), profile.table(1))
    assert profile.plot("length").axes
    assert profile.report() == tmp_path / "run" / "report.html"
    assert profile.models()["model"].tolist() == ["tiny"]
    assert len(profile.prompts()) == 12
    again = cortexscope.open_profile(tmp_path / "run")
    pd.testing.assert_frame_equal(again.frame(), profile.frame())
    assert "tiny on 12 prompts" in repr(again)
    with pytest.raises(UnknownNameError, match="task_map"):
        profile.plot("task_mop")
    with pytest.raises(UnknownNameError, match="There is no table 9"):
        profile.table(9)


def test_a_profile_without_a_folder_keeps_its_own(tiny_folder: Path, suite_file: Path) -> None:
    profile = cortexscope.profile(str(tiny_folder), suite_file, metrics=["residual_norm"])
    path = profile.path
    assert len(profile.frame()) == 12 * 3
    del profile
    assert not path.exists()
