"""Which runs are read together, what they are of, and their rows, file by file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from cortexscope.errors import UsageError
from cortexscope.records import MetricSpec, in_order
from cortexscope.store._attributes import joined_attributes
from cortexscope.store._contents import Contents, parts
from cortexscope.store._reader import Run
from cortexscope.store._schema import PROMPTS, TURNS
from cortexscope.store._sums import finite
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sources"]

_Made = TypeVar("_Made")

_PROMPT = ["model", "stack", "task", "prompt_id", "n_tokens"]


@dataclass(frozen=True, slots=True)
class _Source:
    run: Run
    label: str
    """In the run."""
    name: str
    """In the measurements."""


class Sources:
    """Runs that are read together: their models, metrics, stacks, prompts and rows."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(runs)
        labels = [(run, info.model) for run in self.runs for info in run.manifest.models]
        known = [label for _, label in labels]
        self._sources = {
            name: _Source(run, label, name)
            for run, label in labels
            for name in [label if known.count(label) == 1 else f"{run.path.name}/{label}"]
        }
        if len(self._sources) < len(labels):
            raise UsageError(
                "Two of the runs have the same model and the same folder name, so that they cannot "
                "be told apart; give one of the folders another name."
            )
        self._check_specs()

    def __str__(self) -> str:
        return ", ".join(str(run.path) for run in self.runs)

    def _check_specs(self) -> None:
        first: dict[str, tuple[int, Run]] = {}
        for run in self.runs:
            for name, spec in run.manifest.metrics.items():
                version, other = first.setdefault(name, (spec.version, run))
                if spec.version != version:
                    raise UsageError(
                        f"{name} was measured by its version {version} in {other.path} and by its "
                        f"version {spec.version} in {run.path}, and these numbers do not compare; "
                        "run the older one again."
                    )

    @cached_property
    def specs(self) -> Mapping[str, MetricSpec]:
        """The metrics that were asked for, in the order of the runs."""
        return dict(pair for run in self.runs for pair in run.manifest.metrics.items())

    @property
    def labels(self) -> tuple[str, ...]:
        """The models, in the order given."""
        return tuple(self._sources)

    @property
    def origins(self) -> Mapping[str, tuple[Run, str]]:
        """The run of each model, and what the model is called in it."""
        return {name: (own.run, own.label) for name, own in self._sources.items()}

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The metrics with a measurement, defined or not, in the order of `specs`."""
        found = {name for own in self._by_model.values() for name in own}
        return (*filter(found.__contains__, self.specs), *sorted(found - self.specs.keys()))

    @cached_property
    def stacks(self) -> Mapping[str, tuple[str, ...]]:
        """The stacks with a measurement of each model that has one.

        The first is its primary one: it reads the prompt, and stands for the model where there is
        room for one.
        """
        return {
            label: in_order({stack for names in own.values() for stack in names})
            for label, own in self._by_model.items()
            if own
        }

    @cached_property
    def _contents(self) -> Mapping[str, Sequence[Contents]]:
        return {name: own.run.contents(own.label) for name, own in self._sources.items()}

    @cached_property
    def _by_model(self) -> Mapping[str, Mapping[str, frozenset[str]]]:
        """The stacks of each metric of each model."""
        found: dict[str, dict[str, frozenset[str]]] = {}
        for label, files in self._contents.items():
            own = found.setdefault(label, {})
            for file in files:
                for stack, metrics in file.metrics.items():
                    for metric in metrics:
                        own[metric] = own.get(metric, frozenset()) | {stack}
        return found

    def primary(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a frame that are of the model's primary stack.

        Of a metric that this stack has not, such as the surprisal of an encoder-decoder, those of
        the first stack that has it.
        """
        import numpy as np

        if "metric" not in frame:
            first = {model: names[0] for model, names in self.stacks.items()}
            return frame[frame["stack"] == frame["model"].map(first)]
        known = {
            (model, metric): in_order(names)[0]
            for model, own in self._by_model.items()
            for metric, names in own.items()
        }
        many = [model for model, names in self.stacks.items() if len(names) > 1]
        place = np.flatnonzero(frame["model"].isin(many))
        kept = np.ones(len(frame), dtype=bool)
        # Of the few groups of rows there are, and not row by row.
        rows = frame[["model", "metric", "stack"]].iloc[place]
        group = rows.groupby(list(rows), sort=False).ngroup().to_numpy()
        heads = rows.iloc[np.unique(group, return_index=True)[1]].itertuples(index=False)
        right = [known.get((row[0], row[1])) == row[2] for row in heads]
        kept[place] = np.array(right, dtype=bool)[group]
        # A frame that is kept whole is not copied.
        return frame[kept] if not kept.all() else frame.copy(deep=False)

    @cached_property
    def prompts(self) -> pd.DataFrame:
        """The prompts of all runs, as `Run.prompts` gives them, each once.

        Of a column of the user's own, the first run that says anything of a prompt counts.

        Raises:
            UsageError: if one id is of two prompts.
        """
        import pandas as pd

        parts = [run.prompts() for run in self.runs]
        columns = [name for name in PROMPTS.names if name != TURNS]
        every = pd.concat([own[columns] for own in parts], ignore_index=True)
        once = every.drop_duplicates(["prompt_id", "task", "text", "target"], ignore_index=True)
        twice = once.loc[once["prompt_id"].duplicated(), "prompt_id"]
        if len(twice):
            raise UsageError(
                f"The runs have different prompts of the id {twice.iloc[0]!r}, so that they cannot "
                "be read together; give prompts that differ ids that differ."
            )
        return joined_attributes(once, parts)

    @cached_property
    def models(self) -> pd.DataFrame:
        """The models, one a row, as `models.parquet` has them."""
        import pandas as pd

        models = pd.concat([run.models() for run in self.runs], ignore_index=True)
        return models.assign(model=list(self.labels))

    @cached_property
    def _last(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for label, files in self._contents.items():
            for file in files:
                for stack, layer in file.last.items():
                    key = f"{label}\0{stack}"
                    found[key] = max(layer, found.get(key, layer))
        return found

    def lengths(self, *, controls: bool = False) -> pd.DataFrame:
        """Return how many tokens each stack was given of prompts with a measurement.

        Args:
            controls: those of controls too.

        Returns:
            Columns model, stack, task, prompt_id, n_tokens.
        """
        import pandas as pd

        rows = [
            (label, stack, file.tasks[prompt], prompt, length)
            for label, files in self._contents.items()
            for file in files
            for stack in in_order(file.lengths)
            for prompt, length in file.lengths[stack].items()
            if controls or prompt not in self._controls[label]
        ]
        return pd.DataFrame(rows, columns=_PROMPT)

    @cached_property
    def _controls(self) -> Mapping[str, frozenset[str]]:
        ids = {id(run): frozenset(run.control_ids()) for run in self.runs}
        return {name: ids[id(own.run)] for name, own in self._sources.items()}

    def _without_controls(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a frame that are of no control."""
        if not any(self._controls.values()):
            return frame
        made = frame["model"] != frame["model"]
        for label, ids in self._controls.items():
            made |= (frame["model"] == label) & frame["prompt_id"].isin(ids)
        return frame[~made].reset_index(drop=True)

    def _names(self, run: Run) -> dict[str, str]:
        """Return by what name each model of a run is known, by its label there."""
        return {own.label: name for name, own in self._sources.items() if own.run is run}

    def steps(self, prompt: str, metrics: Collection[str]) -> Iterator[pa.Table]:
        """Yield what was measured of the tokens that each model added to a prompt.

        Values are finite or null.
        """
        for own in self._sources.values():
            names = [name for name in metrics if name in own.run.manifest.metrics]
            rows = finite(own.run.steps(own.label, prompt, names))
            yield _named(rows, {own.label: own.name})

    def each(
        self,
        work: Callable[[pa.Table], _Made],
        metrics: Collection[str] | None = None,
        *,
        models: Collection[str] | None = None,
        controls: bool = False,
        wholes: bool = True,
        columns: Collection[str] | None = None,
    ) -> Iterator[_Made]:
        """Yield what is made of each file's measurements, in order, several files at a time.

        Args:
            work: of a table as `Run.readings` give it, with values that are finite or null.
            metrics: only these, all where None.
            models: only these, all where None.
            controls: those of controls too.
            wholes: values of whole tasks and of sequences too.
            columns: at least these, and the values; all where None.
        """
        read = None if columns is None else {*columns, "model", "value"}
        readings: list[tuple[Callable[[], pa.Table], Mapping[str, str]]] = []
        # A run at a time, since each looks whether all its files are still as they were.
        for run in self.runs:
            names = self._names(run)
            chosen = [label for label, name in names.items() if models is None or name in models]
            if not chosen:
                continue
            known = run.manifest.metrics
            found = run.readings(
                metrics=None if metrics is None else [own for own in metrics if own in known],
                models=chosen, controls=controls, wholes=wholes, columns=read,
            )  # fmt: skip
            readings += [(read, names) for read in found]

        def made(reading: tuple[Callable[[], pa.Table], Mapping[str, str]]) -> _Made:
            read, names = reading
            return work(_named(finite(read()), names))

        return _released(threaded(made, readings))


def _released(found: Iterator[_Made]) -> Iterator[_Made]:
    """Yield the same, and give back at the end what was read for it."""
    yield from found
    pa.default_memory_pool().release_unused()


def _named(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """Return rows of a run with the names of models for their labels there."""
    if not len(table) or all(label == name for label, name in names.items()):
        return table
    codes, labels = parts(table["model"])
    words = pa.array([names[label] for label in labels], pa.string())
    column = pa.DictionaryArray.from_arrays(codes, words)
    return table.set_column(table.schema.get_field_index("model"), "model", column)
