"""`cortexscope models` says what is known without loading weights."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cortexscope.cli.models import app
from cortexscope.errors import ModelError, ModelNotFoundError, UnknownNameError, UsageError
from cortexscope.models import aliases, catalog


def test_list_names_every_alias_and_its_reference() -> None:
    output = CliRunner().invoke(app, ["list"]).output
    for alias, reference in aliases().items():
        assert alias in output
        assert reference in output
    assert json.loads(CliRunner().invoke(app, ["list", "--json"]).output).keys() == aliases().keys()


def test_list_takes_a_selection() -> None:
    output = CliRunner().invoke(app, ["list", "family:pythia,<1B"]).output
    assert "pythia-410m gpt_neox" in output
    assert "pythia-1b" not in output
    assert "5 models" in output
    rows = json.loads(CliRunner().invoke(app, ["list", "--json", "preset:demo"]).output)
    assert rows["demo-decoder"]["kv_heads"] == 3
    with pytest.raises(UsageError, match="write 'family:pythia'"):
        CliRunner().invoke(app, ["list", "pythia"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("columns", "shown", "left_out"),
    [
        ("80", (), ("licence", "reference")),
        ("120", ("licence",), ("reference",)),
        ("200", ("licence", "reference"), ()),
    ],
)
def test_list_fits_the_terminal(
    columns: str,
    shown: tuple[str, ...],
    left_out: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"COLUMNS": columns, "FORCE_COLOR": "1", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TERM", "xterm")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", CliRunner().invoke(app, ["list"]).output).splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert all(alias in line for alias, line in zip(aliases(), lines[1:], strict=False))
    assert set(lines[0].split()) & {"licence", "reference"} == set(shown)
    assert all(name in " ".join(lines[-12:]) for name in left_out)


def test_check_compares_and_ends_well() -> None:
    result = CliRunner().invoke(app, ["check", "gpt2", "family:pythia,<20M", "mt5-small"])
    assert result.exit_code == 0
    assert re.search(r"gpt2 +124.4M +124,439,808 .* same", result.output)
    assert re.search(r"pythia-14m .* same", result.output)
    assert re.search(r"mt5-small .* no config", result.output)
    assert "2 of 3 models are as the catalogue says, 1 without" in result.output


def test_check_names_every_field_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = catalog()
    rows["gpt2"] = rows["gpt2"].model_copy(update={"layers": 13, "parameters": "117M"})
    rows["bert-tiny"] = rows["bert-tiny"].model_copy(update={"architecture": "NoSuchModel"})
    monkeypatch.setattr("cortexscope.models.catalog", lambda: rows)
    runner = CliRunner()
    with pytest.raises(ModelError) as caught:
        runner.invoke(app, ["check", "gpt2", "bert-tiny", "distilgpt2"], catch_exceptions=False)
    assert caught.value.exit_code == 1
    said = str(caught.value)
    assert "gpt2: parameters 117M in the catalogue, 124M built" in said
    assert "layers 13 in the catalogue, 12 built" in said
    assert "NoSuchModel" in said
    assert "distilgpt2" not in said
    output = runner.invoke(app, ["check", "gpt2"]).output
    assert "13, built 12" in output


def test_check_of_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'pythia-70m'"):
        CliRunner().invoke(app, ["check", "pythia-70"], catch_exceptions=False)


def test_show_prints_the_record(llama: Path) -> None:
    output = CliRunner().invoke(app, ["show", str(llama)]).output
    assert re.search(r"^kv_heads +2$", output, re.MULTILINE)
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


def test_inspect_prints_the_tree_and_which_metrics_apply(tiny_folder: Path) -> None:
    output = CliRunner().invoke(app, ["inspect", str(tiny_folder)]).output
    assert re.search(r"layers 1-2 +model.layers.0", output)
    assert "4 heads of 8, 2 KV heads" in output
    assert "64 neurons, gated" in output
    assert "tied to the embedding" in output
    assert re.search(r"attention_entropy +yes", output)
    assert re.search(r"expert_load +no: no experts", output)


def test_inspect_gives_the_same_as_json(tiny_folder: Path) -> None:
    found = json.loads(CliRunner().invoke(app, ["inspect", str(tiny_folder), "--json"]).output)
    assert [part["name"] for part in found["parts"]] == ["embedding", "decoder", "unembedding"]
    assert found["parts"][1]["parts"][0]["parts"][0]["path"] == "model.layers.0.self_attn"
    assert found["metrics"]["residual_norm"] is None
    assert found["metrics"]["router_entropy"] == "no experts"
