"""Gather prompts from the rows of files: no id twice, rows to leave out, a sample, attributes."""

from __future__ import annotations

from cortexscope.errors import SuiteError
from cortexscope.records import Reading
from cortexscope.tasks._attributes import Kinds, cast
from cortexscope.tasks._columns import Columns
from cortexscope.tasks._pile import Pile
from cortexscope.tasks._rows import Rows, Table
from cortexscope.tasks._sampling import Sample
from cortexscope.tasks._suite import Suite, Task
from cortexscope.tasks.shapes import Shape
from cortexscope.tasks.sources import Raw, ReadOptions

__all__ = ["UNVERSIONED", "Gathering"]

UNVERSIONED = "unversioned"
"""The version of a suite whose format has no place for one; its hash still tells it apart."""

_NAMED = 10
"""Bad rows that are named."""


class Gathering:
    """Prompts on their way to a suite.

    All rows are seen once, and no more of them is kept than becomes a prompt.
    """

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        self.readings: list[Reading] = []
        self._asked = None
        if options.columns is not None or options.template is not None:
            self._asked = Columns.parse(options.columns or {}, options.template)
        self._ids: set[str] = set()
        self._sample = Sample(options)
        self._kinds = Kinds()

    def add(self, table: Table) -> None:
        """Take the prompts of a file.

        Raises:
            SuiteError: if it is not certain what its columns are, or rows give no prompt and are
                not to be left out; the message names the first of them.
        """
        rows = Rows(table, self._asked)
        count = bad = 0
        faults: list[str] = []
        kept: dict[str, None] = {}
        for row in rows.raw:
            count += 1
            try:
                prompt = rows.prompt(row)
                self._claim(prompt.id, rows, row)
            except SuiteError as error:
                bad += 1
                if len(faults) < _NAMED:
                    faults.append(str(error))
                continue
            kept.update(dict.fromkeys(prompt.attributes))
            self._kinds.add(prompt, typed=table.typed)
            self._sample.add(prompt)
        if bad and not self.options.skip_bad_rows:
            raise _refusal(table, count, bad, faults)
        self.readings.append(
            Reading(
                source=table.shown,
                shape=rows.shape.title if rows.shape else None,
                columns=_shown(rows.shape, rows.columns),
                attributes=list(kept),
                rows=count,
                bad_rows=bad,
                faults=faults,
            )
        )

    def _claim(self, prompt_id: str, rows: Rows, row: Raw) -> None:
        """Take an id, which no other prompt may have."""
        if prompt_id in self._ids:
            first = self._sample.place_of(prompt_id)
            raise SuiteError(
                f"{rows.place(row)}: the id {prompt_id!r} is already taken{first}; give each "
                "prompt its own id."
            )
        # Ids that are made of lines differ among themselves, and may be a million.
        if "id" in rows.columns.fields or rows.table.whole:
            self._ids.add(prompt_id)

    def suite(self, name: str) -> Suite:
        """Return the suite of all that was taken, by a name.

        Raises:
            SuiteError: if there is no prompt.
        """
        prompts = self._sample.kept()
        if not prompts:
            files = ", ".join(reading.source for reading in self.readings)
            left = "; ".join(filter(None, (reading.left_out() for reading in self.readings)))
            why = f" ({left.rstrip('.')})" if left else ""
            raise SuiteError(f"{files} has no prompts{why}; write at least one.")
        asked = self._asked.attributes if self._asked else ()
        types = self._kinds.types(asked)
        readings = [
            reading.model_copy(
                update={"attributes": [key for key in reading.attributes if key in types]}
            )
            for reading in self.readings
        ]
        self._ids.clear()  # which may be a million, as the suite's own check of them will be
        by_task: dict[str, Pile] = {}
        for prompt in prompts.drained():
            by_task.setdefault(prompt.task, Pile()).add(cast(prompt, types))
        tasks = tuple(Task(task, "", found.sealed()) for task, found in by_task.items())
        return Suite(name, UNVERSIONED, tasks, tuple(readings), self._sample.told())


def _refusal(table: Table, count: int, bad: int, faults: list[str]) -> SuiteError:
    if bad == 1:
        return SuiteError(f"{faults[0].rstrip('.')} (--skip-bad-rows leaves such rows out).")
    more = f"; and {bad - len(faults)} more" if bad > len(faults) else ""
    listed = "; ".join(fault.rstrip(".") for fault in faults)
    return SuiteError(
        f"{bad} of {count} rows of {table.shown} give no prompt, so nothing is read; mend them, or "
        f"leave them out with --skip-bad-rows: {listed}{more}."
    )


def _shown(shape: Shape | None, columns: Columns) -> dict[str, str]:
    """Return what each field is read from, as a user would write it."""
    told = shape.shown if shape else {}
    found = {}
    for name, template in columns.fields.items():
        parts = template.parts()
        plain = len(parts) == 1 and not isinstance(parts[0], str)
        found[name] = told.get(name, template.source[1:-1] if plain else template.source)
    return found
