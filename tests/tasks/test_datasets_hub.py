"""A data set is fetched as the hub's Parquet copy; what the hub answers else is one sentence."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hubs import COMMIT, Answers, Hub, point_to, running
from huggingface_hub import constants
from tasks.copies import write_copy

from cortexscope.cli import main
from cortexscope.errors import CortexscopeError
from cortexscope.records import Prompt
from cortexscope.tasks import load_suite

SST2 = "nyu-mll/glue"


class _Parquet(Answers):
    """The Parquet copy of one data set."""

    def answer(self, path: str) -> None:
        files = self.server.files()
        if path == f"/api/datasets/{SST2}/revision/refs/convert/parquet":
            siblings = [{"rfilename": name} for name in files]
            return self.json({"id": SST2, "sha": COMMIT, "siblings": siblings})
        match = re.fullmatch(
            rf"/datasets/{SST2}/resolve/(refs/convert/parquet|{COMMIT})/(.+)", path
        )
        if match is None:
            return self.fail(404, "RepoNotFound")
        if match[2] not in files:
            return self.fail(404, "EntryNotFound")
        return self.send(files[match[2]].read_bytes(), number=1 + list(files).index(match[2]))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return cache


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = tmp_path / "files"
    for config, split, text in (
        ("sst2", "train", "no"),
        ("sst2", "validation", "fine"),
        ("cola", "validation", "no"),
    ):
        (folder / config / split).mkdir(parents=True)
        columns = {"sentence": [f"{text} {n}" for n in range(9)], "label": [1] * 9}
        write_copy(folder / config / split / "0000", columns, ".parquet")
    # What a script of the data set would be.
    (folder / "glue.py").write_text("raise SystemExit('the script ran')\n")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    with running(Hub(folder, _Parquet), monkeypatch) as server:
        yield server


def prompts_of(asked: str) -> Sequence[Prompt]:
    return load_suite(f"datasets:{asked}").prompts


def refusal(asked: str) -> str:
    started = time.perf_counter()
    with pytest.raises(CortexscopeError) as caught:
        prompts_of(asked)
    assert time.perf_counter() - started < 4
    assert type(caught.value) is CortexscopeError
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"The data set {asked!r} (")
    assert f"give a local copy with datasets:{asked}=PATH" in message
    return message


def test_only_the_split_is_fetched_and_once(hub: Hub) -> None:
    found = prompts_of("sst2@4")
    assert len(found) == 4
    assert all(prompt.text.startswith("fine ") for prompt in found)
    number = found[0].id.removeprefix("sst2-")
    assert found[0].source == f"{SST2}@{COMMIT[:12]}/sst2/validation:{number}"
    assert {line.rpartition("/resolve/")[2] for line in hub.asked if "/resolve/" in line} == {
        "refs/convert/parquet/sst2/validation/0000.parquet"
    }
    hub.asked.clear()
    assert prompts_of("sst2@4") == found
    assert not [line for line in hub.asked if line.startswith("GET /datasets/")]


def test_without_the_hub_its_cache_is_read(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    found = prompts_of("sst2@4")
    hub.failure = (503, None)
    assert prompts_of("sst2@4") == found
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    hub.asked.clear()
    assert prompts_of("sst2@4") == found
    assert hub.asked == []


def test_a_copy_of_a_part_of_a_split_is_read(hub: Hub) -> None:
    (hub.folder / "sst2" / "validation").rename(hub.folder / "sst2" / "partial-validation")
    assert len(prompts_of("sst2")) == 9


def test_a_split_that_is_not_there_is_named(hub: Hub) -> None:
    assert "the hub's Parquet copy of it has no rte/validation" in refusal("rte")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, "RepoNotFound", "the hub has no such data set, or it is private"),
        (404, "RevisionNotFound", "no Parquet copy of it, and scripts of data sets are never run"),
        (403, "GatedRepo", "its authors must grant you access"),
        (403, None, "the hub refuses access (status 403); run `hf auth login`"),
        (418, None, "the hub answered with status 418"),
    ],
)
def test_what_the_hub_answers_is_one_sentence(
    hub: Hub, status: int, code: str | None, said: str
) -> None:
    hub.failure = (status, code)
    assert said in refusal("sst2")


def test_a_hub_out_of_reach_is_one_sentence_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing listens on the port of the discard service.
    point_to(monkeypatch, "http://127.0.0.1:9")
    assert "the hub cannot be reached and it is not in the hub cache" in refusal("sst2")


def test_offline_nothing_is_asked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set and it is not in" in refusal("squad")
    assert hub.asked == []


def test_the_command_line_says_it_without_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    assert main(["tasks", "list", "--suite", "datasets:squad"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: The data set 'squad' (rajpurkar/squad on the hub) cannot be")
    assert error.count("\n") == 1
