"""Metrics of a user's own: by file, by entry point, measured like all the others."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import cortexscope
import cortexscope.metrics._table as table
from cortexscope.cli import main
from cortexscope.errors import RunExistsError, UsageError
from cortexscope.metrics import (
    METRICS,
    MetricOptions,
    load_plugin,
    make_metrics,
    metric_names,
    origins,
)
from cortexscope.store import Run
from cortexscope.testing import check_metric

EXAMPLES = Path(__file__).parents[2] / "examples" / "metrics"
CREST, TOP3 = EXAMPLES / "crest_factor.py", EXAMPLES / "attention_top3_mass.py"

PLUGIN = '''
from cortexscope.metrics import MeanOverStates, MetricSpec


class Mine(MeanOverStates):
    """Return the mean norm, as an example."""

    spec = MetricSpec(
        name="mine",
        title="Mine",
        unit="hidden-state units",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="Mean norm.",
        source="a test",
    )

    def value(self, seen):
        return seen.norms
'''


@pytest.fixture(autouse=True)
def own_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave no metric behind."""
    before = set(METRICS.names())
    yield
    for name in set(METRICS.names()) - before:
        METRICS.drop(name)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_keeps_the_contract(path: Path) -> None:
    names = load_plugin(path)
    assert names == [path.stem]
    for metric in make_metrics(names, MetricOptions()):
        check_metric(metric)
        assert (type(metric).__doc__ or "").startswith("Return the ")


def test_the_crest_factor_is_what_its_docstring_says() -> None:
    (metric,) = make_metrics(load_plugin(CREST), MetricOptions())
    tokens = cortexscope.metrics.HiddenStates
    from cortexscope.taps import Tokens

    states = torch.tensor([[[3.0, -3.0, 3.0, 3.0], [0.0, 5.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]])
    for kept, wanted in ((0, 1.0), (1, 2.0)):
        mask = torch.arange(3)[None] == kept
        found = metric.value(tokens(states, Tokens(mask)))[0, kept]  # type: ignore[attr-defined]
        assert found.item() == pytest.approx(wanted)
    mask = torch.ones(1, 3, dtype=torch.bool)
    keep = metric.keep(tokens(states, Tokens(mask)))  # type: ignore[attr-defined]
    assert keep.tolist() == [[True, True, False]]


@pytest.mark.slow
def test_a_run_measures_plug_ins_besides_the_default_panel(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    asked = ["run", "--model", f"tiny={tiny_folder}", "--suite", str(suite_file), "--out", str(out)]
    assert main([*asked, "--plugin", str(CREST), "--plugin", str(TOP3)]) == 0
    run = Run(out)
    assert set(metric_names()) | {"crest_factor", "attention_top3_mass"} == set(
        run.manifest.metrics
    )
    frame = run.measurements()
    values = {name: frame[frame["metric"] == name]["value"] for name in frame["metric"].unique()}
    # Twelve prompts; layers 0, 1, 2; two blocks of four heads.
    assert len(values["crest_factor"]) == 12 * 3
    assert len(values["attention_top3_mass"]) == 12 * 2 * 4
    assert values["crest_factor"].between(1, 32**0.5).all()
    assert values["attention_top3_mass"].between(0, 1).all()
    table = cortexscope.open_profile(out).table("metrics")
    assert {"crest_factor", "attention_top3_mass"} <= set(table["Metric"])
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "Mean over tokens of the largest" in report
    capsys.readouterr()


@pytest.mark.slow
def test_values_of_a_plug_in_do_not_depend_on_batches(
    tiny_folder: Path, suite_file: Path, tmp_path: Path
) -> None:
    frames = [
        cortexscope.profile(
            f"tiny={tiny_folder}",
            suite_file,
            metrics=["crest_factor", "attention_top3_mass"],
            plugins=[CREST, TOP3],
            settings=cortexscope.Settings(batch_tokens=size, shard_batches=shards),
            selfcheck=False,
        ).frame()
        for size, shards in ((64, 1), (2048, 4))
    ]
    keys = ["prompt_id", "metric", "layer", "head"]
    one, other = (frame.sort_values(keys)["value"].to_numpy() for frame in frames)
    torch.testing.assert_close(torch.tensor(one), torch.tensor(other), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_metric_chooses_among_plug_ins_too(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, plugin: Path
) -> None:
    def measured(*metrics: str) -> list[str]:
        profile = cortexscope.profile(
            str(tiny_folder),
            suite_file,
            tasks=["naming"],
            metrics=metrics,
            plugins=[plugin],
            selfcheck=False,
        )
        return list(profile.manifest.metrics)

    assert measured("mine") == ["mine"]
    assert measured("residual_norm") == ["residual_norm"]
    assert "mine" not in metric_names(["default"])
    assert metric_names(["mine", "residual_norm"]) == ["residual_norm", "mine"]
    assert "mine" in metric_names(["all"])


def test_a_probe_measures_plug_ins(plugin: Path) -> None:
    from batches import inputs_for
    from families import FAMILIES, tiny_model

    model = tiny_model("llama")
    inputs = inputs_for(FAMILIES["llama"], [5, 3])
    metrics = ["mine", "residual_norm"]
    with cortexscope.attach(model, metrics=metrics, plugins=[plugin]) as probe, torch.no_grad():
        model(**inputs)
    frame = probe.frame()
    mine, theirs = (frame[frame["metric"] == name]["value"].tolist() for name in metrics)
    assert mine == theirs
    assert len(mine) > 2


def test_what_a_plug_in_writes_over_in_a_later_pass_was_measured_before(plugin: Path) -> None:
    from families import tiny_model

    plugin.write_text(
        PLUGIN
        + """
    def compute(self, state, layout):
        import dataclasses

        for found in super().compute(state, layout):
            kept = self.__dict__.setdefault("kept", found.values.clone())
            kept.copy_(found.values)
            yield dataclasses.replace(found, values=kept)
"""
    )
    model = tiny_model("llama")
    metrics = ["mine", "residual_norm"]
    with cortexscope.attach(model, metrics=metrics, plugins=[plugin]) as probe, torch.no_grad():
        for size in (1, 9):
            model(input_ids=torch.arange(size, size + 4)[None])
    frame = probe.frame()
    mine, theirs = (frame[frame["metric"] == name]["value"].tolist() for name in metrics)
    assert mine == theirs
    assert mine[: len(mine) // 2] != mine[len(mine) // 2 :]


@pytest.mark.slow
def test_a_run_is_not_resumed_with_another_plug_in(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, plugin: Path
) -> None:
    def measure(*, resume: bool) -> cortexscope.Profile:
        return cortexscope.profile(
            str(tiny_folder),
            suite_file,
            metrics=["mine"],
            plugins=[plugin],
            out=tmp_path / "run",
            resume=resume,
            selfcheck=False,
        )

    told = measure(resume=False).manifest.settings["plugins"]
    assert set(told) == {"mine"}
    assert told["mine"].startswith("sha256:")
    measure(resume=True)
    plugin.write_text(PLUGIN.replace("seen.norms", "2 * seen.norms"))
    with pytest.raises(RunExistsError, match=r"settings\.plugins\.mine was"):
        measure(resume=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "place"),
    [('raise ValueError("no such norm")', "mine.py, line 20"), ("return seen.values", "mine.py")],
)
def test_a_plug_in_that_fails_in_a_run_is_named_and_not_the_model(
    tiny_folder: Path, suite_file: Path, plugin: Path, body: str, place: str
) -> None:
    plugin.write_text(PLUGIN.replace("return seen.norms", body))
    with pytest.warns(UserWarning, match="of metrics that failed"):
        profile = cortexscope.profile(
            str(tiny_folder), suite_file, metrics=["mine"], plugins=[plugin], selfcheck=False
        )
    (failed,) = profile.manifest.failed_metrics["tiny-llama"]
    assert re.search(f"{place}: the metric 'mine' failed on what the model", failed.why)


@pytest.mark.slow
def test_a_run_without_plug_ins_says_nothing_of_them(
    tiny_folder: Path, suite_file: Path, plugin: Path
) -> None:
    load_plugin(plugin)
    profile = cortexscope.profile(
        str(tiny_folder), suite_file, metrics=["residual_norm"], selfcheck=False
    )
    assert "plugins" not in profile.manifest.settings


def test_a_file_that_is_loaded_again_replaces_what_it_gave(plugin: Path) -> None:
    assert load_plugin(plugin) == ["mine"]
    before = origins(["mine"])
    assert load_plugin(str(plugin)) == ["mine"]
    assert origins(["mine"]) == before
    plugin.write_text(PLUGIN.replace('"mine"', '"yours"'))
    assert load_plugin(plugin) == ["yours"]
    assert "mine" not in METRICS.names()
    assert origins(["yours"])["yours"] != before["mine"]
    plugin.write_text("1 / 0\n")
    with pytest.raises(UsageError):
        load_plugin(plugin)
    (metric,) = make_metrics(["yours"], MetricOptions())
    check_metric(metric)


def test_only_classes_of_the_file_with_a_spec_are_taken(plugin: Path) -> None:
    plugin.write_text(
        PLUGIN + "\nfrom cortexscope.metrics.residual_norm import ResidualNorm\n"
        "class Base(MeanOverStates):\n    pass\n"
        "Again = Mine\n"
        "class Inherits(Mine):\n    pass\n"
    )
    assert load_plugin(plugin) == ["mine"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\n", "mine.py: holds no metric, which is a subclass"),
        ("import math\n\ndef f(:\n", "mine.py, line 3: is not Python: "),
        ("x = 1\ny = nothing\n", "mine.py, line 2: fails when it is imported: NameError: name"),
        ("\nimport not_there_at_all\n", "mine.py, line 2: fails when it is imported: ModuleNot"),
        ("import sys\nsys.exit(3)\n", "mine.py, line 2: fails when it is imported: SystemExit: 3"),
        ("\0", "mine.py: is not Python: "),
        (
            PLUGIN.replace('"mine"', '"residual_norm"'),
            "mine.py, line 5: there is a metric 'residual_norm' already; give Mine another name",
        ),
        (PLUGIN.replace('"mine"', '"depth"'), "line 5: the spec of Mine is wrong: 'depth' stands"),
        (PLUGIN.replace('"Mean norm."', '"Mean norm"'), "end it with a full stop"),
        (PLUGIN.replace('"hidden"', '"hiden"'), "which no tap shows; did you mean 'hidden'"),
        (PLUGIN.replace("        source=", "        sauce="), "line 8: fails when it is imported"),
        (PLUGIN.replace("def value", "def valeu"), "line 5: Mine does not define value"),
        (PLUGIN.partition("    spec")[0] + "    spec = 1\n", "the spec of Mine is no MetricSpec"),
        (
            PLUGIN + PLUGIN.partition("MetricSpec\n")[2].replace("class Mine", "class Second"),
            "line 23: there is a metric 'mine' already; give Second another name",
        ),
    ],
)
def test_a_wrong_file_is_one_sentence_and_exit_code_2(
    text: str,
    told: str,
    plugin: Path,
    tmp_path: Path,
    tiny_folder: Path,
    suite_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plugin.write_text(text)
    before, modules = METRICS.names(), set(sys.modules)
    asked = ["run", "--model", str(tiny_folder), "--suite", str(suite_file)]
    out = tmp_path / "run"
    assert main([*asked, "--plugin", str(plugin), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Error: The plug-in {plugin}")
    assert said.count("\n") == 1
    assert told in said
    assert not out.exists()
    assert METRICS.names() == before
    assert not [name for name in set(sys.modules) - modules if "cortexscope_plugin" in name]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.py cannot be read \(No such file or directory\)"):
        load_plugin(tmp_path / "none.py")
    with pytest.raises(UsageError, match="cannot be read"):
        load_plugin(tmp_path)


def test_two_files_cannot_give_one_name(plugin: Path, tmp_path: Path) -> None:
    load_plugin(plugin)
    other = tmp_path / "other.py"
    other.write_text(PLUGIN)
    with pytest.raises(UsageError, match=r"other\.py, line 5: there is a metric 'mine' already"):
        load_plugin(other)


def test_loading_leaves_no_files_and_no_paths_behind(plugin: Path) -> None:
    before = list(sys.path)
    load_plugin(plugin)
    assert sys.path == before
    assert list(plugin.parent.glob("__pycache__")) == []


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that offers the example by entry point."""
    folder = tmp_path / "site"
    info = folder / "crest_metrics-1.2.dist-info"
    info.mkdir(parents=True)
    (folder / "crest_metrics.py").write_text(CREST.read_text())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crest-metrics\nVersion: 1.2\n")
    offer(folder, "crest_factor = crest_metrics:CrestFactor")
    monkeypatch.syspath_prepend(folder)
    rows = {name: METRICS.place(name) for group in table.GROUPS.values() for name in group}
    fresh = cortexscope.registry.Registry("metric", rows)
    for home in ("cortexscope.metrics", "cortexscope.metrics.base.plugins"):
        monkeypatch.setattr(sys.modules[home], "METRICS", fresh)
    monkeypatch.delitem(sys.modules, "crest_metrics", raising=False)
    return folder


def offer(folder: Path, row: str) -> None:
    (info,) = folder.glob("*.dist-info")
    (info / "entry_points.txt").write_text(f"[cortexscope.metrics]\n{row}\n")


@pytest.mark.slow
def test_a_package_adds_its_metric_to_the_default_panel(
    package: Path, tiny_folder: Path, suite_file: Path
) -> None:
    assert metric_names()[-1] == "crest_factor"
    profile = cortexscope.profile(
        str(tiny_folder), suite_file, metrics=["crest_factor"], selfcheck=False
    )
    assert len(profile.frame("crest_factor")) == 12 * 3
    assert profile.manifest.settings["plugins"] == {"crest_factor": "crest-metrics 1.2"}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            "crest_factor = crest_metrics:Crest",
            "'crest_factor' of crest-metrics 1.2 cannot be read",
        ),
        ("crest_factor = nowhere_at_all:Crest", "repair that package, or uninstall it"),
        ("crest = crest_metrics:CrestFactor", "'crest' of crest-metrics 1.2 is called 'crest_fac"),
        ("residual_norm = crest_metrics:CrestFactor", "Two packages offer a metric named 'resid"),
    ],
)
def test_a_package_that_offers_wrongly_is_named(package: Path, row: str, told: str) -> None:
    offer(package, row)
    for _ in range(2):
        with pytest.raises(UsageError) as raised:
            metric_names()
        assert told in str(raised.value)


def test_the_readme_of_the_examples_names_them_and_what_to_inherit_from() -> None:
    text = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f"metrics/{path.name}" in text
    bases = {name for name in cortexscope.metrics.__all__ if name.startswith("MeanOver")}
    assert {name for name in bases if f"| `{name}` |" in text} == bases


def test_check_says_that_an_example_is_right_and_a_wrong_one_wrong(
    plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metrics", "check", str(TOP3)]) == 0
    assert capsys.readouterr().out == "attention_top3_mass keeps the contract of a metric.\n"
    plugin.write_text(PLUGIN.replace("seen.norms", "-seen.norms"))
    assert main(["metrics", "check", str(plugin)]) == 2
    said = capsys.readouterr().err
    assert "mine: a value of -" in said
    assert "correct the formula or the bounds" in said
    plugin.write_text(PLUGIN.replace("seen.norms", "seen.nroms"))
    assert main(["metrics", "check", str(plugin)]) == 2
    assert "in line 20: AttributeError" in capsys.readouterr().err


def test_a_spec_of_a_plug_in_is_shown_with_its_code(
    plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metrics", "show", "mine", "--plugin", str(plugin)]) == 0
    assert "sha256:" in capsys.readouterr().out
    assert main(["metrics", "list", "--group", "other", "--json", "--plugin", str(plugin)]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["mine"]


def test_what_authors_import_is_there_and_needs_torch_only_when_used() -> None:
    for name in cortexscope.metrics.__all__:
        assert getattr(cortexscope.metrics, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'MeanOverStats'"):
        cortexscope.metrics.MeanOverStats  # noqa: B018
    code = "import sys, cortexscope.metrics; print({'torch', 'pandas', 'numpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "set()\n"
