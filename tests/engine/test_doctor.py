"""What the doctor sets aside is measured anew, and the run then equals an undisturbed one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from engine.test_repair import LENGTHS, behead, contents, cut, double, empty, flip, lose, swap
from generated import folder_of, small_request, suite_of

from cortexscope.cli import main
from cortexscope.engine import Generation, RunRequest, run
from cortexscope.store import examine
from cortexscope.store._layout import LOCK
from cortexscope.store._lock import RunLock

pytestmark = pytest.mark.slow

_SHARD = "measurements/00-tiny-00001.parquet"
_STEPS = "measurements/00-tiny-00001-steps.parquet"
_TEXTS, _VECTORS = "generations/00-tiny-00001.parquet", "vectors/00-tiny-00001.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunRequest:
    """A finished run that generates and keeps vectors, as it was asked for."""
    folder = folder_of("llama", tmp_path_factory.mktemp("doctor") / "llama")
    suite_of(folder, lengths=LENGTHS)
    request = small_request(folder, folder.parent / "run", Generation(tokens=2))
    run(request)
    return request


@pytest.fixture
def out(whole: RunRequest, tmp_path: Path) -> Path:
    shutil.copytree(whole.out, tmp_path / "run")
    return tmp_path / "run"


def copied(file: Path) -> None:
    shutil.copy(file, file.with_name(f"copy of {file.name}"))


def left(file: Path) -> None:
    file.with_name(f".part-0123-{file.name}").write_bytes(b"half")


def unsaid(file: Path) -> None:
    table = pq.read_table(file)
    none = pa.nulls(len(table), pa.float64())
    pq.write_table(table.set_column(table.schema.get_field_index("value"), "value", none), file)


def other_text(file: Path) -> None:
    table = pq.read_table(file)
    text = pc.binary_join_element_wise(table["text"], pa.scalar("w3"), " ")
    pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", text), file)


def test_nothing_is_wrong_with_a_sound_run(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(out.rglob("*"))
    assert main(["doctor", str(out), "--repair"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    assert sorted(out.rglob("*")) == before


@pytest.mark.parametrize("hashes", [True, False])
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, how) for name in (_SHARD, _STEPS, _TEXTS, _VECTORS) for how in (lose, cut, empty)),
        *((_SHARD, how) for how in (flip, double, swap, behead, unsaid, copied, left)),
        (_VECTORS, flip),
        ("prompts.parquet", cut),
        ("prompts.parquet", other_text),
        ("models.parquet", lose),
    ],
)
def test_repair_and_resume_give_the_undisturbed_run(
    whole: RunRequest,
    out: Path,
    name: str,
    damage: Callable[[Path], None],
    hashes: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(out / name)
    if not hashes:
        shutil.rmtree(out / "hashes")
    assert main(["doctor", str(out)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert Path(name).name in lines[0] or damage is swap
    main(["doctor", str(out), "--repair"])
    run(_resumed(whole, out))
    assert examine(out) == []
    assert contents(out) == contents(whole.out)


def _resumed(request: RunRequest, out: Path) -> RunRequest:
    return replace(request, out=out, resume=True)


def test_a_run_that_is_being_written_is_left_alone(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = RunLock(out / LOCK)
    assert main(["doctor", str(out)]) == 2
    lock.release()
    assert "is being written by" in capsys.readouterr().err


def test_a_repair_keeps_what_is_sound_and_names_what_it_moves(out: Path) -> None:
    sound = {name: held for name, held in contents(out).items() if name != _SHARD}
    cut(out / _SHARD)
    assert [trouble.file for trouble in examine(out)] == [out / _SHARD]
    main(["doctor", str(out), "--repair"])
    assert {name: held for name, held in contents(out).items() if name != _SHARD} == sound
    assert (out / "damaged" / _SHARD).is_file()
