"""Join runs of different models into one, as if all had been measured at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from cortexscope.errors import CorruptRunError, UsageError
from cortexscope.files import storage_errors, whole_folder
from cortexscope.records import Manifest
from cortexscope.store._contents import read_columns
from cortexscope.store._differences import differences
from cortexscope.store._doctor import examine
from cortexscope.store._hashes import write_hashes
from cortexscope.store._layout import OUTCOMES, Layout
from cortexscope.store._lesions import LesionPlan
from cortexscope.store._manifest import write_manifest
from cortexscope.store._outcomes import outcomes_table
from cortexscope.store._pairs import PairPlan
from cortexscope.store._reader import Run
from cortexscope.store._schema import MODELS
from cortexscope.store._side_files import side_files
from cortexscope.store._target import check_target
from cortexscope.store._written import write_parquet

__all__ = ["merge_runs"]

_SAME = ("schema_version", "metrics", "settings")
"""What a run has once, and parts must agree in; of the suite, the hash."""

_BY_MODEL = ("shards", "chats", "ungenerated", "notes", "timings", "memory", "checks", "halved")


def merge_runs(paths: Sequence[Path | str], out: Path) -> Run:
    """Write one run of the models of several finished ones, and return it.

    Each must be sound, and of the same prompts, metrics and settings. Files are copied as they are;
    only their names say another number of the model. What stands beside measurements goes along:
    pairs of models, models without parts, outcomes. Prompts are those of the first run, with its
    columns of the user's own.

    Args:
        paths: two or more run folders, or URLs of some, in the order that their models are to have.
        out: a folder that is not there yet.

    Raises:
        UsageError: if the runs do not belong together, or something is at `out`.
        StoreError: if one is not finished or not sound, or `out` cannot be written.
    """
    if len(paths) < 2:
        raise UsageError("One run needs no merging; give two or more.")
    check_target(out)
    if out.exists():
        raise UsageError(f"There is something at {out}; give a folder that is not there yet.")
    layouts = [Layout(run.path, run.manifest) for run in map(Run, paths)]
    for layout in layouts[1:]:
        _check_alike(layouts[0], layout)
    _check_models(layouts)
    # Last, as all of their files are read.
    for layout in layouts:
        _check_whole(layout)
    merged = _merged([layout.manifest for layout in layouts])
    with whole_folder(out) as part:
        target = Layout(part, merged)
        for layout in layouts:
            for info in layout.manifest.models:
                _copy(layout, target, info.model)
        tables = [read_columns(own.path / "models.parquet", MODELS) for own in layouts]
        with storage_errors(out):
            shutil.copyfile(layouts[0].path / "prompts.parquet", part / "prompts.parquet")
        write_parquet(part / "models.parquet", pa.concat_tables(tables))
        _copy_beside(layouts, part)
        write_manifest(part, merged)
    return Run(out)


def _check_whole(layout: Layout) -> None:
    if layout.manifest.status != "complete":
        raise CorruptRunError(
            f"{layout.path} is not finished; finish it with `cortexscope run` and --resume first."
        )
    found = examine(layout.path)
    if found:
        raise CorruptRunError(
            f"{found[0].file} {found[0].what}; mend {layout.path} first, `cortexscope doctor` says "
            "how."
        )


def _check_alike(first: Layout, other: Layout) -> None:
    if first.manifest.suite.hash != other.manifest.suite.hash:
        raise UsageError(
            f"{first.path} and {other.path} are of different prompts (suites "
            f"{first.manifest.suite.name!r} and {other.manifest.suite.name!r}, other SHA-256); "
            "measure both on the same suite."
        )
    before, after = (layout.manifest.model_dump(include={*_SAME}) for layout in (first, other))
    found = list(differences(before, after))
    if found:
        more = f"; and {len(found) - 3} more" if found[3:] else ""
        raise UsageError(
            f"{first.path} and {other.path} were not measured alike "
            f"({'; '.join(found[:3])}{more}); measure both with the same metrics and settings."
        )


def _check_models(layouts: Sequence[Layout]) -> None:
    seen: dict[str, Path] = {}
    for layout in layouts:
        for info in layout.manifest.models:
            if info.model in seen:
                raise UsageError(
                    f"{seen[info.model]} and {layout.path} both have a model {info.model!r}; leave "
                    "one out, or measure it under another label, as --model LABEL=REF."
                )
            seen[info.model] = layout.path


def _merged(manifests: Sequence[Manifest]) -> Manifest:
    """Return the manifest of all; notes of models say where a part ran with other versions."""
    first = manifests[0]
    changes: dict[str, object] = {
        name: {label: own for part in manifests for label, own in getattr(part, name).items()}
        for name in _BY_MODEL
    }
    notes = {label: list(own) for part in manifests for label, own in part.notes.items()}
    for part in manifests[1:]:
        other = [
            f"{name} {number} ({first.versions.get(name, 'none')} in the first run merged)"
            for name, number in part.versions.items()
            if first.versions.get(name) != number
        ]
        for info in part.models if other else ():
            notes.setdefault(info.model, []).append(f"measured with {', '.join(other)}")
    changes |= {
        "notes": notes,
        # Files are called after the places that models have among all.
        "numbers": {},
        "models": [info for part in manifests for info in part.models],
        "truncations": [cut for part in manifests for cut in part.truncations],
        "created": min(part.created for part in manifests),
        "finished": max(part.finished or part.created for part in manifests),
    }
    return first.model_copy(update=changes)


def _copy(source: Layout, target: Layout, model: str) -> None:
    """Copy the files of a model under the names that they have in the other run, with hashes."""
    for shard, own in _pairs(source, target, model):
        files = [(shard, own)]
        if shard in source.shards(model):
            beside = (source.siblings(model, shard), target.siblings(model, own))
            files += zip(*beside, strict=True)
        for before, after in files:
            with storage_errors(after):
                after.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(before, after)
        write_hashes(target, own, {after: after for _, after in files})


def _copy_beside(layouts: Sequence[Layout], part: Path) -> None:
    """Copy what stands beside measurements; files of no two models have one name."""
    for layout in layouts:
        for kind in (PairPlan, LesionPlan):
            for file in side_files(kind, layout.path):
                target = part / file.relative_to(layout.path)
                with storage_errors(target):
                    target.parent.mkdir(exist_ok=True)
                    shutil.copyfile(file, target)
    told = pa.concat_tables([outcomes_table(layout.path) for layout in layouts])
    if len(told):
        write_parquet(part / OUTCOMES, told)


def _pairs(source: Layout, target: Layout, model: str) -> Iterator[tuple[Path, Path]]:
    yield from zip(source.shards(model), target.shards(model), strict=True)
    yield from zip(source.wholes(model), target.wholes(model), strict=True)
