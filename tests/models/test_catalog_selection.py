"""A selection stands for the models of the catalogue that all its terms hold for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.models import catalog, expand, parse_reference, preset, select


def _millions(alias: str) -> Decimal:
    figure = catalog()[alias].parameters
    return Decimal(figure[:-1]) * {"M": 1, "B": 1000}[figure[-1]]


def test_family_and_size_hold_together() -> None:
    assert list(select("family:pythia,<1B")) == [
        "pythia-14m",
        "pythia-31m",
        "pythia-70m",
        "pythia-160m",
        "pythia-410m",
    ]
    assert list(select("family:pythia, >= 6.9b")) == ["pythia-12b"]
    assert list(select("family:pythia,>1.0B,<1.415B")) == ["pythia-1b"]
    assert list(select("family:pythia,>=1.415B,<=1.415B")) == ["pythia-1.4b"]


def test_group_is_a_family_beside_the_model_type() -> None:
    pythias = set(select("family:pythia"))
    neox = set(select("family:gpt_neox"))
    assert pythias < neox
    assert {"stablelm-3b", "gpt-neox-20b"} <= neox - pythias
    assert set(select("family:GPT-NeoX")) == neox
    assert {"biobert", "biogpt"} <= set(select("family:biomedical"))


@pytest.mark.parametrize(
    ("term", "holds"),
    [
        ("<1B", lambda alias: _millions(alias) < 1000),
        ("<=0.6B", lambda alias: _millions(alias) <= 600),
        (">100M", lambda alias: _millions(alias) > 100),
        (">=7b", lambda alias: _millions(alias) >= 7000),
        ("licence:apache-2.0", lambda alias: catalog()[alias].licence == "Apache-2.0"),
        ("license:llama-3.2", lambda alias: catalog()[alias].licence == "Llama 3.2"),
        ("preset:demo", lambda alias: alias in preset("demo")),
    ],
)
def test_each_term_keeps_exactly_the_models_it_says(term: str, holds: object) -> None:
    assert callable(holds)
    assert list(select(term)) == [alias for alias in catalog() if holds(alias)]


def test_selection_becomes_its_aliases_in_place() -> None:
    given = ["org/name", "preset:study", "mine=gpt2"]
    assert expand(given) == ("org/name", *preset("study"), "mine=gpt2")


def test_model_named_twice_by_selections_comes_once() -> None:
    assert expand(["family:pythia,<50M", "family:gpt_neox,<80M"]) == (
        "pythia-14m",
        "pythia-31m",
        "pythia-70m",
    )
    assert expand(["family:pythia,<50M", "pythia-31m"]) == ("pythia-14m", "pythia-31m")
    assert expand(["gpt2", "gpt2"]) == ("gpt2", "gpt2")


@pytest.mark.parametrize(
    "reference",
    [
        "gpt2",
        "org/name@main",
        "label=org/name",
        "label=pypi:some-model==1.0",
        "pypi:some-model==1.0",
        "pypi:some-model==1.0/path/inside",
        r"C:\models\gpt2",
        "/models/a,b",
        "./family/pythia",
        "~/x.gguf",
        "org/base+org/adapter",
        "",
        "familly:pythia",
    ],
)
def test_what_is_no_selection_stays_as_it_is(reference: str) -> None:
    assert expand([reference]) == (reference,)


def test_folder_that_looks_like_a_selection_stays_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "family:pythia").mkdir()
    assert expand(["family:pythia", "a=family:pythia"]) == ("family:pythia", "a=family:pythia")
    assert parse_reference("family:pythia").kind == "folder"


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        ("family:pythai", "no family 'pythai'; did you mean 'pythia'"),
        ("family:zzzz", "listed by `cortexscope models list`"),
        ("family:", "no family ''"),
        ("preset:studdy", "did you mean 'study'"),
        ("licence:apache", "no licence 'apache'; did you mean 'Apache-2.0'"),
    ],
)
def test_unknown_name_is_told_its_nearest(selection: str, says: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        expand([selection])
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        ("family:pythia,>1T", "No model of the catalogue is all of 'family:pythia,>1T'"),
        ("family:pythia,pythia-1b", "'pythia-1b' is no term"),
        ("pythia,<1B", "write 'family:pythia'"),
        ("<1", "'<1' is no term"),
        ("<1GB", "'<1GB' is no term"),
        ("family:pythia,", "'' is no term"),
        ("small=family:pythia", "write 'family:pythia', and each is named by its alias"),
        ("small=<1B", "gives one name to a selection"),
    ],
)
def test_wrong_selection_is_one_sentence(selection: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand([selection])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_selection_says_where_to_look() -> None:
    with pytest.raises(UsageError, match=r"'family:bert,>1B'.*cortexscope models list"):
        select("family:bert,>1B")
