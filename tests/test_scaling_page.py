"""What docs/scaling.md tells to type can be typed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from cortexscope.cli import app

PAGE = (Path(__file__).parent.parent / "docs/scaling.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
(JOB,) = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [
    *(line.strip() for text in SCRIPTS for line in text.splitlines()),
    JOB["spec"]["entrypoint"],
]
OURS = [line for line in COMMANDS if line.startswith("cortexscope ")]


def test_there_are_commands() -> None:
    assert len(SCRIPTS) == 6
    assert len(OURS) == 11


@pytest.mark.parametrize("line", OURS)
def test_commands_have_options_that_exist(line: str) -> None:
    verb, *rest = shlex.split(line)[1:]
    command = typer.main.get_command(app)
    context = typer.Context(command)
    own = command.get_command(context, verb)  # type: ignore[attr-defined]
    assert own is not None
    # Parsing alone: nothing runs.
    own.make_context(verb, rest, resilient_parsing=False)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_read_by_a_shell(script: str) -> None:
    found = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")


def test_the_job_of_kubernetes_holds_what_its_kind_asks_for() -> None:
    assert (JOB["apiVersion"], JOB["kind"]) == ("ray.io/v1", "RayJob")
    cluster = JOB["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        assert "rayStartParams" in group
        spec = group["template"]["spec"]
        mounted = {own["name"] for c in spec["containers"] for own in c.get("volumeMounts", ())}
        assert mounted == {volume["name"] for volume in spec.get("volumes", ())}
        assert all(one["image"] for one in spec["containers"])
    for group in groups[1:]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
