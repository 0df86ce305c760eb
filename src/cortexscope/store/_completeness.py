"""Whether a run folder holds all that it should, and nothing twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa

from cortexscope.errors import CorruptRunError
from cortexscope.store._checks import CHECKED, check_prompts, check_rows
from cortexscope.store._contents import (
    Contents,
    FileFault,
    contents_of,
    read_rows,
)
from cortexscope.store._layout import Layout
from cortexscope.threads import threaded

__all__ = ["Completeness", "damaged", "state_of"]

_REPAIR = "`cortexscope run` with --resume, asked for the same, measures that again"


def damaged(file: Path, what: object) -> CorruptRunError:
    """Return the error about a file of a run; `what` is wrong follows its name."""
    return CorruptRunError(f"{file} {what}; {_REPAIR}.")


def state_of(file: Path) -> tuple[Path, int, int]:
    """Return what changes whenever a file is written anew.

    Raises:
        OSError: if it is gone.
    """
    facts = file.stat()
    return file, facts.st_mtime_ns, facts.st_size


class Completeness:
    """What the files of a run hold of its prompts; each is looked into once.

    Args:
        layout: of the run.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._known: dict[tuple[Path, int, int], Contents] = {}
        self._checked: dict[tuple[Path, int, int], set[str | None]] = {}
        """Of which metrics a file holds no row twice, None for all; by file, as it was then."""
        self._sound: tuple[object, ...] | None = None
        """The files and prompts of the last check that found nothing, as they were then."""

    def check(self, prompts: Collection[str]) -> None:
        """Check that each prompt's measurements are in one file, in a finished run all of them.

        Args:
            prompts: the ids of those that were asked for.

        Raises:
            CorruptRunError: if a file is damaged, or not of this run; if a finished run lacks some.
        """
        layout, asked = self._layout, frozenset(prompts)
        finished = layout.manifest.status != "running"
        missing = layout.missing() if finished else []
        if missing:
            raise CorruptRunError(
                f"{layout.path} lacks {len(missing)} of its {len(layout.measured())} files of "
                f"measurements ({self._named(missing)}), and what is left is no fair sample; "
                f"{_REPAIR}."
            )
        every = [
            (shard, info.model)
            for info in layout.manifest.models
            for shard in layout.finished(info.model)
        ]
        try:
            state = asked, *(state_of(shard) for shard, _ in every)
        except OSError as error:
            raise damaged(Path(str(error.filename)), "is gone") from error
        if state == self._sound:
            return
        # Each is looked into once, here.
        for _ in threaded(lambda own: self._prompts_in(*own), every):
            pass
        for info in layout.manifest.models:
            seen: dict[str, Path] = {}
            for shard in layout.finished(info.model):
                own = self._prompts_in(shard, info.model)
                if own & seen.keys():
                    twice = min(own & seen.keys())
                    what = f"holds the prompt {twice!r}, which is in {seen[twice].name} too"
                    raise damaged(shard, what)
                if own - asked:
                    raise damaged(shard, f"holds the prompt {min(own - asked)!r} of another run")
                seen |= dict.fromkeys(own, shard)
            whole = finished and not layout.leaves_out(info.model)
            if whole and layout.has_values_of_prompts and asked - seen.keys():
                lost = sorted(asked - seen.keys())
                raise CorruptRunError(
                    f"{layout.path} has no values of {len(lost)} of its {len(asked)} prompts of "
                    f"{info.model}, such as {lost[0]!r}; {_REPAIR}."
                )
        self._sound = state

    def check_beside(
        self,
        file: Path,
        found: Sequence[str | None],
        shard: Path,
        model: str,
        *,
        all_of_them: bool = True,
    ) -> None:
        """Check that what is beside a shard's measurements is of the same prompts.

        Raises:
            CorruptRunError: if it is not.
        """
        if not self._layout.has_values_of_prompts:
            return
        try:
            check_prompts(found, self._prompts_in(shard, model), all_of_them=all_of_them)
        except FileFault as fault:
            raise damaged(file, fault) from fault

    def contents(self, model: str) -> list[Contents]:
        """Return what the files of a model's measurements that are there are of.

        Raises:
            CorruptRunError: if one is damaged, or not of the model.
        """
        layout = self._layout
        shards = layout.finished(model) if layout.has_values_of_prompts else []
        planned = [] if layout.leaves_out(model) else layout.wholes(model)
        wholes = filter(Path.is_file, planned)
        return [self._contents(file, model) for file in shards] + [
            self._contents(file, model, of_prompts=False) for file in wholes
        ]

    def rows(
        self,
        file: Path,
        model: str,
        metrics: Collection[str] | None,
        columns: Collection[str] | None = None,
        *,
        of_prompts: bool = True,
    ) -> pa.Table:
        """Return a file's measurements as `read_rows`, checked.

        Args:
            file: of the model.
            model: its label.
            metrics: only these, all where None.
            columns: at least these, all where None.
            of_prompts: whether each must be of a prompt, or none.

        Raises:
            CorruptRunError: if it is gone or damaged, not of the model, or holds a row twice.
        """
        try:
            checked = self._checked.setdefault(state_of(file), set())
            # Each metric's rows are held against each other once.
            known = None in checked or (metrics is not None and checked.issuperset(metrics))
            if columns is not None and not known:
                columns = {*columns, *CHECKED}
            table = read_rows(file, metrics=metrics, columns=columns)
            if not known:
                check_rows(table, model, of_prompts=of_prompts)
                checked.update([None] if metrics is None else metrics)
        except (FileFault, FileNotFoundError) as fault:
            what = fault if isinstance(fault, FileFault) else "is gone"
            raise damaged(file, what) from fault
        return table

    def _prompts_in(self, shard: Path, model: str) -> frozenset[str]:
        if not self._layout.has_values_of_prompts:
            return frozenset()
        return self._contents(shard, model).prompts

    def _contents(self, file: Path, model: str, *, of_prompts: bool = True) -> Contents:
        try:
            key = state_of(file)
            if key not in self._known:
                self._known[key] = contents_of(file, model, of_prompts=of_prompts)
        except (FileFault, OSError) as fault:
            raise damaged(file, fault if isinstance(fault, FileFault) else "is gone") from fault
        return self._known[key]

    def remarks(self) -> tuple[str, ...]:
        """Return sentences on what the folder lacks or has too much of, though it can be read."""
        layout = self._layout
        found = []
        for model, failed in layout.manifest.failed_metrics.items():
            said = "; ".join(f"{own.metric}: {own.why.rstrip('.')}" for own in failed)
            found.append(
                f"{layout.path} lacks values of {model}, of metrics that failed ({said}); "
                "`cortexscope run` with --resume, asked for the same, measures them again."
            )
        if layout.manifest.status == "failed":
            said = "; ".join(f"{own}: {why}" for own, why in layout.manifest.failures.items())
            if said:
                found.append(
                    f"{layout.path} holds no measurements of models that failed ({said}); "
                    "`cortexscope run` with --resume, asked for the same, tries them again."
                )
        elif layout.manifest.status != "complete":
            every = layout.measured()
            there = sum(file.is_file() for file in every)
            found.append(
                f"{layout.path} is not finished: {there} of {len(every)} files of measurements "
                "are there, and these are read; go on with `cortexscope run` and --resume."
            )
        beside, strays = layout.missing_beside(), layout.strays()
        if beside:
            found.append(f"{layout.path} lacks {self._named(beside)}; {_REPAIR}.")
        if strays:
            found.append(
                f"{layout.path} holds what is no file of its plan, and is not read: "
                f"{self._named(strays)}; move it away."
            )
        return tuple(found)

    def _named(self, files: Sequence[Path]) -> str:
        names = [str(file.relative_to(self._layout.path)) for file in files]
        more = f" and {len(names) - 3} more" if names[3:] else ""
        return ", ".join(names[:3]) + more
