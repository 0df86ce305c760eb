"""What is exported: the tables of a run, batch by batch, and what their columns are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import pyarrow as pa

from cortexscope.store import Run, attribute_columns
from cortexscope.texts import plain

__all__ = ["COLUMNS", "Contents", "Exported"]

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "measurements": {
        "model": "label of the model",
        "task": "task of the prompt; null where a value is over all tasks or over sequences",
        "prompt_id": "the prompt; null where a value is over many",
        "n_tokens": "tokens that the stack was given",
        "metric": "name of the metric, in the table metrics",
        "stack": "encoder, decoder or cross",
        "layer": "0 is the embedding output, 1 to L the blocks; null where a value is of a stack",
        "head": "from 0; null where a metric has none",
        "index": "place along a further axis, such as an expert, from 0; null without one",
        "value": "in the metric's unit; null where undefined",
        "reason": "why there is no value",
        "step": "number of the generated token, from 1; null for values of the prompt",
        "tokens_used": "tokens behind the value",
    },
    "prompts": {
        "prompt_id": "unique in the run",
        "task": "of the prompt",
        "text": "as the tokenizer receives it",
        "source": "where it was read from",
        "target": "what the decoder of an encoder-decoder reads",
        "control": "how it was made from another prompt; null for one of the suite",
        "origin": "the prompt that it was made from",
    },
    "models": {},
    "metrics": {
        "metric": "name",
        "title": "a few words",
        "unit": "of its values; 1 for a pure number",
        "definition": "what it is",
        "source": "where it is from",
        "version": "raised whenever its numbers change",
        "axes": "what its values are of: layer, head, or a further axis",
    },
}
"""What the columns of each table are; those of models are as in the run folder."""

_TEXTS = ("text", "target")


class Exported(NamedTuple):
    """A table, to be written batch by batch."""

    name: str
    schema: pa.Schema
    batches: Iterator[pa.Table]


class Contents:
    """The tables of a run.

    Args:
        run: the run folder, finished or not.
        texts: whether the prompts' texts and targets go with it.
    """

    def __init__(self, run: Run, *, texts: bool) -> None:
        self.run = run
        self.texts = texts

    @property
    def tables(self) -> Iterator[Exported]:
        """Every table; measurements are read file by file."""
        yield Exported("measurements", self._schema, self._measurements())
        for name, table in (
            ("prompts", self._prompts()),
            ("models", pa.Table.from_pandas(self.run.models(), preserve_index=False)),
            ("metrics", self._metrics()),
        ):
            plain = table.replace_schema_metadata(None)
            yield Exported(name, plain.schema, iter([plain]))

    @cached_property
    def _schema(self) -> pa.Schema:
        schema: pa.Schema = self.run.measurements_table(metrics=()).schema
        return schema

    def _measurements(self) -> Iterator[pa.Table]:
        for read in self.run.readings(controls=True, steps=True):
            yield read().cast(self._schema)

    def _prompts(self) -> pa.Table:
        prompts = self.run.prompts()
        if not self.texts:
            prompts = prompts.drop(columns=list(_TEXTS))
        return pa.Table.from_pandas(prompts, preserve_index=False)

    def _metrics(self) -> pa.Table:
        rows = [
            {
                "metric": name, "title": spec.title, "unit": spec.unit,
                "definition": spec.definition, "source": spec.source,
                "version": int(spec.version), "axes": ", ".join(spec.axes),
            }
            for name, spec in self.run.manifest.metrics.items()
        ]  # fmt: skip
        fields = [pa.field(name, pa.string()) for name in COLUMNS["metrics"]]
        fields[5] = pa.field("version", pa.int64())
        return pa.Table.from_pylist(rows, schema=pa.schema(fields))

    def readme(self, head: str = "") -> str:
        """Return a README in Markdown; `head` stands before it."""
        manifest = self.run.manifest
        lines = [
            f"# {manifest.suite.name}: {len(manifest.models)} models, measured by cortexscope",
            "",
            f"Suite {manifest.suite.name} {manifest.suite.version}, measured {manifest.created}"
            f"{'' if manifest.status == 'complete' else ', not finished'}. "
            + ("" if self.texts else "The prompts' texts were left out."),
        ]
        for name, columns in COLUMNS.items():
            lines += ["", f"## {name}", ""]
            lines += [
                f"- `{column}`: {what}"
                for column, what in columns.items()
                if self.texts or name != "prompts" or column not in _TEXTS
            ]
            if not columns:
                lines.append("One row a model: what it is and how it was read.")
            if name == "prompts":
                own = attribute_columns(self.run.prompts())
                lines += [f"- `{plain(column)}`: a column of the prompts' own" for column in own]
        return head + "\n".join(lines) + "\n"
