"""Ray does the same jobs, and a lost actor costs its shard alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from families import tiny_model
from generated import small_request, suite_of, written

from cortexscope.engine import run
from cortexscope.engine._request import Silent
from cortexscope.engine.backends import Means
from cortexscope.engine.backends.ray import OnRay, _connected
from cortexscope.errors import BackendError, UsageError
from cortexscope.metrics import METRICS

PLUGIN = '''
import os
from pathlib import Path
from cortexscope.metrics import MeanOverStates, MetricSpec


class Ending(MeanOverStates):
    """Ends its process where there is a file to remove."""

    spec = MetricSpec(
        name="ending", title="Ending", unit="1", axes=("layer",), bounds=(None, None),
        needs=("hidden",), definition="Norms.", source="none", group="magnitude",
    )
    undefined = "never"

    def value(self, seen):
        for file in Path(__file__).parent.glob("*.life"):
            file.unlink()
            os.kill(os.getpid(), 9)
        return seen.norms
'''


class Noted(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_lost_actor_costs_its_shard_alone(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    folder = written(tiny_model("llama"), tmp_path / "llama")
    suite_of(folder, lengths=(7, 12, 3))
    plugin = tmp_path / "ending.py"
    plugin.write_text(PLUGIN)
    request = small_request(folder, tmp_path / "alone", None)
    settings = replace(request.settings, threads=1, batch_tokens=12)
    request = replace(request, settings=settings, plugins=(plugin,), metrics=("ending", "cka"))
    try:
        alone = run(request)
        (tmp_path / "1.life").touch()
        progress = Noted()
        found = run(replace(request, out=tmp_path / "ray", backend="ray", workers=1), progress)
    finally:
        METRICS.drop("ending")
    assert sum("is gone (ActorDiedError" in note for note in progress.notes) == 1
    assert found.measurements_table().equals(alone.measurements_table())
    assert found.manifest.status == "complete"


def test_ray_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'cortexscope\[ray\]'"):
        OnRay(Means())


def test_a_cluster_that_is_not_there_is_named() -> None:
    class Absent:
        def is_initialized(self) -> bool:
            return False

        def init(self, **_: object) -> None:
            raise ConnectionError("Could not find any running Ray instance.\nMore.")

    with (
        pytest.raises(BackendError, match=r"no Ray cluster to be had at auto \(Could not find"),
        _connected(Absent(), "auto"),
    ):
        pass


def test_a_run_on_this_machine_does_not_import_ray() -> None:
    code = (
        "import sys\nfrom cortexscope.engine.backends import BACKENDS, Means\n"
        "BACKENDS.load('local')(Means())\nimport cortexscope.cli\nprint('ray' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "False\n"
