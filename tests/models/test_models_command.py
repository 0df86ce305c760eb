"""`cortexscope models` says what is known without loading weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cortexscope.cli.models import app
from cortexscope.errors import ModelNotFoundError
from cortexscope.models import aliases


def test_list_names_every_alias_and_its_reference() -> None:
    output = CliRunner().invoke(app, ["list"]).output
    for alias, reference in aliases().items():
        assert alias in output
        assert reference in output
    assert json.loads(CliRunner().invoke(app, ["list", "--json"]).output).keys() == aliases().keys()


def test_show_prints_the_record(llama: Path) -> None:
    output = CliRunner().invoke(app, ["show", str(llama)]).output
    assert "kv_heads     2" in output
    assert "model.safetensors" in output
    shown = json.loads(CliRunner().invoke(app, ["show", "--json", f"m={llama}"]).stdout)
    assert (shown["model"], shown["layers"]) == ("m", 2)


def test_errors_reach_the_top(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        CliRunner().invoke(app, ["show", str(tmp_path)], catch_exceptions=False)


def test_naming_a_model_imports_nothing_heavy() -> None:
    code = (
        "import sys; from cortexscope.models import parse_reference; parse_reference('gpt2');"
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
