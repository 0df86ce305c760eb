"""What a run folder has lost, or holds damaged, is measured again to the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest
from generated import folder_of, small_request, suite_of

from cortexscope.engine import Generation, RunRequest, Silent, run
from cortexscope.errors import CorruptRunError, UsageError
from cortexscope.store import Run

LENGTHS = (7, 12, 3, 10)
PATHS = ("measurements", "vectors", "generations", "prompts.parquet", "models.parquet")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunRequest:
    """A finished run that generates and keeps vectors, as it was asked for."""
    folder = folder_of("llama", tmp_path_factory.mktemp("repair") / "llama")
    suite_of(folder, lengths=LENGTHS)
    request = small_request(folder, folder.parent / "run", Generation(tokens=2))
    run(request)
    return request


def contents(path: Path) -> dict[str, bytes]:
    files = (file for name in PATHS for file in [path / name, *(path / name).glob("*")])
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.is_file()}


def lose(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def double(file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(pa.concat_tables([table, table]), file)


def swap(file: Path) -> None:
    shutil.copy(file.with_name(file.name.replace("00001", "00000")), file)


def flip(file: Path) -> None:
    """Change one bit of a file's values."""
    content = bytearray(file.read_bytes())
    end = len(content)
    if file.suffix == ".parquet":
        group = pq.read_metadata(file).row_group(0)
        names = [group.column(number).path_in_schema for number in range(group.num_columns)]
        column = group.column(names.index("value") if "value" in names else names.index("text"))
        end = column.dictionary_page_offset or column.data_page_offset
        end += column.total_compressed_size
    content[end - 2] ^= 1
    file.write_bytes(content)


def behead(file: Path) -> None:
    """Write a file anew without the last layer of one prompt."""
    table = pq.read_table(file)
    lost = (pa.compute.equal(table["layer"], 2), pa.compute.equal(table["metric"], "residual_norm"))
    pq.write_table(table.filter(pa.compute.invert(pa.compute.and_(*lost))), file)


def read(found: Run) -> None:
    found.models()
    found.measurements(steps=True)
    found.generations()
    found.mean_states("tiny")


_SHARD, _STEPS = "measurements/00-tiny-00001.parquet", "measurements/00-tiny-00001-steps.parquet"
_TEXTS, _VECTORS = "generations/00-tiny-00001.parquet", "vectors/00-tiny-00001.safetensors"


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, how) for name in (_SHARD, _STEPS, _TEXTS, _VECTORS) for how in (lose, cut, swap)),
        *((name, how) for name in (_SHARD, _STEPS, _TEXTS) for how in (double, empty)),
        (_VECTORS, empty),
        *((f"{name}.parquet", how) for name in ("prompts", "models") for how in (lose, cut)),
    ],
)
def test_resume_measures_again_what_is_lost_or_damaged(
    whole: RunRequest, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole.out, out)
    kept = (out / "measurements" / "00-tiny-00000.parquet").stat().st_mtime_ns
    damage(out / name)
    with pytest.raises(CorruptRunError, match="--resume"):
        read(Run(out))
    notes = Notes()
    repaired = run(replace(whole, out=out, resume=True), notes)
    assert contents(out) == contents(whole.out)
    assert repaired.remarks == ()
    assert (out / "measurements" / "00-tiny-00000.parquet").stat().st_mtime_ns == kept
    if "/" in name:
        assert sum(Path(name).name in line for line in notes.lines) == 1


@pytest.mark.slow
@pytest.mark.parametrize("hashes", [True, False])
@pytest.mark.parametrize(
    ("name", "damage"),
    [*((name, flip) for name in (_SHARD, _STEPS, _TEXTS, _VECTORS)), (_SHARD, behead)],
)
def test_resume_finds_what_reading_does_not(
    whole: RunRequest, tmp_path: Path, name: str, damage: Callable[[Path], None], hashes: bool
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole.out, out)
    damage(out / name)
    if not hashes:
        # As of a run that was written before they were noted.
        shutil.rmtree(out / "hashes")
    notes = Notes()
    run(replace(whole, out=out, resume=True), notes)
    assert contents(out) == contents(whole.out)
    assert sum(Path(name).name in line for line in notes.lines) == 1


@pytest.mark.slow
def test_a_failed_repair_loses_nothing(
    whole: RunRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole.out, out)
    for file in (out / "measurements").iterdir():
        file.unlink()
    before = contents(out)

    def fail(*arguments: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("cortexscope.engine._worker.Worker.measure", fail)
        with pytest.raises(RuntimeError):
            run(replace(whole, out=out, resume=True))
    assert contents(out) == before
    run(replace(whole, out=out, resume=True))
    assert contents(out) == contents(whole.out)


@pytest.mark.slow
@pytest.mark.parametrize("label", ["m" * 201, "é" * 101, "漢" * 67])
def test_a_label_too_long_for_names_of_files_is_refused_first(
    whole: RunRequest, tmp_path: Path, label: str
) -> None:
    (model,) = whole.models
    reference = model.partition("=")[2] or model
    request = replace(whole, models=(f"{label}={reference}",), out=tmp_path / "run")
    with pytest.raises(UsageError, match="give it a shorter one, such as --model short=REF"):
        run(request)
    assert not request.out.exists()
    fits = label[: 200 // len(label[0].encode())]
    run(replace(request, models=(f"{fits}={reference}",)))
    assert Run(request.out).remarks == ()


@pytest.mark.slow
def test_labels_that_differ_little_have_files_of_their_own(
    whole: RunRequest, tmp_path: Path
) -> None:
    (model,) = whole.models
    reference = model.partition("=")[2] or model
    labels = ("A b", "a_b", "e\u0301", "\u00e9", "con", "CON")
    asked = tuple(f"{label}={reference}" for label in labels)
    found = run(replace(whole, models=asked, out=tmp_path / "run"))
    names = [file.name.lower() for file in found.measurement_files()]
    assert len(set(names)) == len(names) == len(labels) * found.manifest.shards["A b"]
    assert set(found.measurements()["model"]) == set(labels)
