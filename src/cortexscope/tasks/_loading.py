"""Find a suite by its name, its path or what it is in Python, and join several to one.

Another package offers a suite by an entry point in the group `cortexscope.suites` that names a
function without arguments which returns a `Suite`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.registry import Registry, suggestion
from cortexscope.tasks._files import is_there, read_path, read_stdin, refuse_reading
from cortexscope.tasks._frames import read_rows
from cortexscope.tasks._pile import chained
from cortexscope.tasks._sampling import sampled
from cortexscope.tasks._suite import Suite, Task, with_one_type
from cortexscope.tasks.sources import ReadOptions

__all__ = [
    "cognitive",
    "cognitive_paraphrases",
    "cognitive_study",
    "join_suites",
    "load_suite",
    "paraphrases_of",
    "read_suite",
    "read_suites",
    "suite_names",
]

_SUITES = Registry(
    "suite",
    {
        "cognitive": "cortexscope.tasks._loading:cognitive",
        "cognitive-paraphrases": "cortexscope.tasks._loading:cognitive_paraphrases",
        "cognitive-study": "cortexscope.tasks._loading:cognitive_study",
    },
)

_DATA_SETS = "datasets:"
_STDIN = "-"
_YAML = (".yaml", ".yml")
# The two of each task that are about as long as the middle prompt.
_STUDY = (5, 6)


def suite_names() -> list[str]:
    """Return the names of the built-in suites and of those that other packages offer."""
    return _SUITES.names()


def cognitive() -> Suite:
    """Return the built-in suite: the twelve tasks of the published study, fresh prompts."""
    return read_path(Path(__file__).parent / "cognitive", ReadOptions())


def cognitive_paraphrases() -> Suite:
    """Return fourteen prompts a task of the built-in suite in other words; `-p` ends their ids."""
    return read_path(Path(__file__).parent / "cognitive_paraphrases", ReadOptions())


def cognitive_study() -> Suite:
    """Return two prompts a task of the built-in suite, as many as the published study read."""
    whole = cognitive()
    tasks = (
        Task(task.name, task.description, tuple(task.prompts[number] for number in _STUDY))
        for task in whole.tasks
    )
    return Suite("cognitive-study", whole.version, tuple(tasks))


def paraphrases_of(suite: Suite) -> Suite | None:
    """Return the suite that is named as this one with `-paraphrases` behind it, if there is one."""
    name = f"{suite.name}-paraphrases"
    return load_suite(name) if name in suite_names() else None


def load_suite(
    source: Any,  # noqa: ANN401 - a name, a path, or rows of libraries that may be absent
    *,
    columns: str | Mapping[str, str] | None = None,
    template: str | None = None,
    format: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    quoting: str | None = None,
    header: bool = True,
    sheet: str | None = None,
    paragraphs: bool = False,
    limit: int | None = None,
    per_task: int | None = None,
    limit_seed: int = 0,
    skip_bad_rows: bool = False,
) -> Suite:
    r"""Return the suite behind a name, a path, or rows.

    What a prompt has as `target` is read by the decoder of an encoder-decoder model.

    Args:
        source: a name of `suite_names()`, which wins over a file of the same name; or a file
            (YAML, CSV, TSV, JSONL, JSON, Parquet, xlsx, text, an inspect_ai log; any but YAML may
            be gzipped), or a folder of YAML, of tables, or of texts, whose sub-folders are tasks;
            `-` for standard input; data sets of the hub, such as `datasets:sst2,squad@200` or
            `datasets:sst2=PATH`; a pandas or polars frame, a `datasets.Dataset`, a list of texts
            or of mappings.
        columns: which column is what, `text=question,task=Category,difficulty` or a mapping:
            `text` (or `messages`), `task`, `id`, `target`, `paraphrase_of`, and any other name
            for a column that the prompts keep. Where None, the columns of known data sets are
            recognised, and whatever tells groups apart is kept.
        template: the text with columns in braces, such as `Q: {question}\nA:`.
        format: of the files, which their endings tell where None.
        encoding: of texts; a byte order mark tells, else UTF-8, where None.
        delimiter: between a CSV file's fields; what its rows agree on where None.
        quoting: how a quote is written in a quoted field: `double`, `backslash`, or `none`.
        header: whether the first row names the columns; else they are `1`, `2` and so on.
        sheet: of a workbook with several.
        paragraphs: whether blank lines part the prompts of a text, in place of line ends.
        limit: the most prompts in all.
        per_task: the most prompts a task.
        limit_seed: of which prompts are taken where there are more.
        skip_bad_rows: leave out rows that give no prompt, and count them.

    Raises:
        UnknownNameError: if it is neither a name nor a path that exists.
        UsageError: if an option cannot be used, or does not go with the suite.
        SuiteError: if the content is wrong; the message names file, line and prompt id.
        CortexscopeError: if a data set cannot be fetched.

    Example:
        >>> suite = load_suite("cognitive")
        >>> len(suite.tasks), len(suite.prompts)
        (12, 504)
        >>> rows = [{"q": "Warm?", "kind": "short"}, {"q": "Why is it warm?", "kind": "long"}]
        >>> load_suite(rows, columns="text=q,kind").prompts[1].attributes
        {'kind': 'long'}
    """
    return read_suite(
        source,
        ReadOptions(
            columns=columns,
            template=template,
            format=format,
            encoding=encoding,
            delimiter=delimiter,
            quoting=quoting,
            header=header,
            sheet=sheet,
            paragraphs=paragraphs,
            limit=limit,
            per_task=per_task,
            limit_seed=limit_seed,
            skip_bad_rows=skip_bad_rows,
        ),
    )


def read_suite(source: Any, options: ReadOptions) -> Suite:  # noqa: ANN401 - as load_suite
    """Return what `load_suite` does, with its options as one."""
    if isinstance(source, Suite):
        refuse_reading(options, f"the suite {source.name!r}")
        return sampled(source, options)
    if not isinstance(source, str | Path):
        return read_rows(source, options)
    if isinstance(source, str) and source in suite_names():
        refuse_reading(options, f"the suite {source!r}")
        suite = _SUITES.load(source)()
        if not isinstance(suite, Suite):
            raise UsageError(
                f"The package that offers suite {source!r} gave a {type(suite).__name__} "
                "and no Suite; uninstall or update it."
            )
        return sampled(suite, options)
    if isinstance(source, str) and source.startswith(_DATA_SETS):
        from cortexscope.tasks._datasets import load_data_sets

        return load_data_sets(source.removeprefix(_DATA_SETS), options)
    if source == _STDIN:
        return read_stdin(options)
    path = Path(source)
    if not str(source) or not is_there(path):
        raise UnknownNameError(
            f"There is no suite {str(source)!r}, neither by that name nor as a file or "
            f"folder; {suggestion(str(source), suite_names())}"
        )
    return read_path(path, options)


def read_suites(sources: Sequence[Any], options: ReadOptions) -> Suite:
    """Return one suite of several; prompts of tasks with the same name come together.

    Columns and the like are for the files among them; a limit is one on all.

    Raises:
        UsageError: if there is none, or an option goes with none of them.
        SuiteError: if two prompts have the same id.
    """
    if len(sources) == 1:
        return read_suite(sources[0], options)
    plain = ReadOptions()
    whole = replace(options, limit=None, per_task=None)
    suites = [read_suite(source, whole if _is_file(source) else plain) for source in sources]
    return sampled(join_suites(suites), options)


def _is_file(source: object) -> bool:
    named = isinstance(source, str) and (
        source in suite_names() or source.startswith(_DATA_SETS) or source.endswith(_YAML)
    )
    return not named


def join_suites(suites: Sequence[Suite]) -> Suite:
    """Return one suite of several; prompts of tasks with the same name come together.

    Raises:
        UsageError: if there is none.
        SuiteError: if two prompts have the same id.

    Example:
        >>> one, two = load_suite(["Why?"]), load_suite([{"id": "a", "text": "How?"}])
        >>> [prompt.id for prompt in join_suites([one, two]).prompts]
        ['prompts-1', 'a']
    """
    if not suites:
        raise UsageError("No suite was named; name at least one.")
    if len(suites) == 1:
        return suites[0]
    tasks: dict[str, Task] = {}
    for suite in suites:
        for task in suite.tasks:
            before = tasks.get(task.name)
            tasks[task.name] = (
                task
                if before is None
                else replace(before, prompts=chained([before.prompts, task.prompts]))
            )
    versions = dict.fromkeys(suite.version for suite in suites)
    return Suite(
        "+".join(dict.fromkeys(suite.name for suite in suites)),
        "+".join(versions),
        with_one_type(list(tasks.values())),
        tuple(reading for suite in suites for reading in suite.readings),
    )
