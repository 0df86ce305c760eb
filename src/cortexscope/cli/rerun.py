"""`cortexscope rerun`: repeat a run from its folder alone, and say what is different."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cortexscope.cli._options import loading_options
from cortexscope.cli._progress import progress_for
from cortexscope.cli._runs import RunPath, run_folder
from cortexscope.cli._terminal import display, remark, say
from cortexscope.models import LoadOptions

if TYPE_CHECKING:
    from rich.table import Table

    from cortexscope.records import Manifest
    from cortexscope.store import Moved, Run

__all__ = ["rerun"]


@loading_options("allow_pickle", "trust_remote_code")
def rerun(
    *,
    run: RunPath,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The new run; RUN-again by default.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=REF", help="Where a model is by now, if elsewhere. May be repeated."
        ),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="The file with the run's metrics of your own. May be repeated."
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Measure on this device, not on the one of the run."),
    ] = None,
    loading: LoadOptions,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            parser=run_folder,
            help="Measure nothing; compare with this run of the same.",
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="X",
            help="Exit with 3 if a metric moved by more, as a share of the root mean square of its "
            "values; 0 for by anything at all.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the new run, or start it.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Measure again what a run folder holds, with its own prompts, and say what moved.

    Raises:
        UsageError: if the run cannot be repeated as it stands.
        StoreError: if a folder cannot be read or written.
        ConditionError: if a metric moved by more than the tolerance.
    """
    import json
    from dataclasses import asdict, replace

    from cortexscope.engine import request_of
    from cortexscope.engine import run as measure
    from cortexscope.errors import ConditionError, UsageError
    from cortexscope.store import Run, is_copy, moved

    before = Run(run)
    trusts = loading.allow_pickle or loading.trust_remote_code
    if against is not None and (out is not None or model or plugin or device or trusts):
        raise UsageError(
            "--against compares with a run that is there, and measures none; leave out what says "
            "how to measure."
        )
    if against is None:
        beside = Path.cwd() if is_copy(run) else run.parent
        target = beside / f"{run.resolve().name}-again" if out is None else out
        request = request_of(
            before,
            target,
            models=model or (),
            plugins=plugin or (),
            device=device,
            allow_pickle=loading.allow_pickle,
            trust_remote_code=loading.trust_remote_code,
        )
        request = replace(request, resume=resume, force=force)
        after = measure(request, progress_for(quiet=quiet))
    else:
        after = Run(against)
    if not quiet:
        remark(after)
    found = moved(before, after)
    differing = _differing(before.manifest, after.manifest)
    if as_json:
        rows = [asdict(own) for own in found]
        say(json.dumps({"run": str(after.path), "differs": differing, "metrics": rows}, indent=2))
    elif not quiet:
        _say(after, found, differing)
    if tolerance is None:
        return
    far = [own.metric for own in found if _is_far(own, tolerance)]
    far += [name for name in before.manifest.metrics if name not in after.manifest.metrics]
    if far:
        raise ConditionError(
            f"{len(far)} of {len(before.manifest.metrics)} metrics moved by more than "
            f"{tolerance:g} of the root mean square of their values, or lack some: "
            f"{', '.join(far[:5])}{' ...' if far[5:] else ''}."
        )


def _differing(before: Manifest, after: Manifest) -> list[str]:
    """Return what is not as it was: versions, the machine, settings, the models' files."""
    from cortexscope.store import differences

    asked = {"versions", "settings", "suite", "metrics"}
    # Older runs do not tell.
    asked |= {"environment"} if before.environment else set()
    old, new = (own.model_dump(include=asked) for own in (before, after))
    both = before.metrics.keys() & after.metrics.keys()
    for told in (old, new):
        told["metrics"] = {name: told["metrics"][name] for name in both}
    found = list(differences(old, new, free=frozenset({"suite.readings"})))
    files = {info.model: info.files for info in after.models}
    found += [
        f"the files of {info.model} are others"
        for info in before.models
        if info.files != files.get(info.model)
    ]
    for once, other, which in ((before, after, "first"), (after, before, "second")):
        alone = [name for name in once.metrics if name not in other.metrics]
        if alone:
            found.append(f"only the {which} run has {', '.join(alone)}")
    return found


def _is_far(found: Moved, tolerance: float) -> bool:
    if found.only_before or found.only_after or found.defined_once:
        return True
    if not found.largest:
        return False
    return found.relative is None or found.relative > tolerance


def _say(run: Run, found: list[Moved], differing: list[str]) -> None:
    values = sum(own.values for own in found)
    apart = [own for own in found if not own.is_same]
    for sentence in differing:
        say(f"{sentence[:1].upper()}{sentence[1:]}.")
    if not differing:
        say("Versions, machine, settings, prompts and the models' files are as they were.")
    if not apart:
        say(f"All {values:,} values of {len(found)} metrics are the same to the last bit.")
    else:
        same = sum(own.same for own in found)
        say(
            f"{len(apart)} of {len(found)} metrics moved; {same:,} of {values:,} values are the "
            "same to the last bit."
        )
        display(_table(apart))
    say(f"Run: {run.path}")


def _table(apart: list[Moved]) -> Table:
    """Return a row a metric that moved, the one that moved most first."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("metric")
    for heading in ("values", "moved", "largest", "of its size", "places lost", "new"):
        table.add_column(heading, justify="right")
    table.add_column("where it moved most")
    for own in sorted(apart, key=lambda one: -(one.relative or 0)):
        table.add_row(
            Text(own.metric),
            f"{own.values:,}",
            f"{own.values - own.same:,}",
            "-" if own.largest is None else f"{own.largest:.2g}",
            "-" if own.relative is None else f"{own.relative:.1e}",
            f"{own.only_before:,}",
            f"{own.only_after:,}",
            Text(own.where),
        )
    return table
