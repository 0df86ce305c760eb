"""Find a suite by its name or its path, and join its files to one.

Another package offers a suite by an entry point in the group `cortexscope.suites` that names a
function without arguments which returns a `Suite`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cortexscope.errors import SuiteError, UnknownNameError, UsageError
from cortexscope.registry import Registry, suggestion
from cortexscope.tasks._lines import read_csv, read_jsonl
from cortexscope.tasks._reading import Document, Place
from cortexscope.tasks._suite import Suite, Task
from cortexscope.tasks._yaml import read_yaml

__all__ = [
    "cognitive",
    "cognitive_paraphrases",
    "cognitive_study",
    "load_suite",
    "paraphrases_of",
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

_YAML = (".yaml", ".yml")
_DATA_SETS = "datasets:"
# The two of each task that are about as long as the middle prompt.
_STUDY = (5, 6)


class _LineReader(Protocol):
    def __call__(self, file: Path, *, target: str | None = None) -> Document: ...


_LINES: dict[str, _LineReader] = {".jsonl": read_jsonl, ".csv": read_csv}


def suite_names() -> list[str]:
    """Return the names of the built-in suites and of those that other packages offer."""
    return _SUITES.names()


def cognitive() -> Suite:
    """Return the built-in suite: the twelve tasks of the published study, fresh prompts."""
    return _from_path(Path(__file__).parent / "cognitive")


def cognitive_paraphrases() -> Suite:
    """Return fourteen prompts a task of the built-in suite in other words; `-p` ends their ids."""
    return _from_path(Path(__file__).parent / "cognitive_paraphrases")


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


def load_suite(name_or_path: str | Path, *, target: str | None = None) -> Suite:
    """Return the suite behind a name or a path.

    What a prompt has as `target` is read by the decoder of an encoder-decoder model.

    Args:
        name_or_path: a name of `suite_names()`, which wins over a file of the same name; or a
            YAML file, a folder of YAML files, or a JSONL or CSV file with task, id and text; or
            data sets of the hub, such as `datasets:sst2,squad@200` or `datasets:sst2=PATH`.
        target: the column of a JSONL or CSV file that holds the targets, `target` where None.

    Raises:
        UnknownNameError: if it is neither a name nor a path that exists.
        UsageError: if a column is named for a suite that has no columns.
        SuiteError: if the content is wrong; the message names file, line and prompt id.
        CortexscopeError: if a data set cannot be fetched.

    Example:
        >>> suite = load_suite("cognitive")
        >>> len(suite.tasks), len(suite.prompts)
        (12, 504)
    """
    if isinstance(name_or_path, str) and name_or_path in suite_names():
        if target is not None:
            raise UsageError(
                f"The column {target!r} was named for targets, and the suite {name_or_path!r} has "
                "no columns; give a JSONL or CSV file, or leave the column out."
            )
        suite = _SUITES.load(name_or_path)()
        if not isinstance(suite, Suite):
            raise UsageError(
                f"The package that offers suite {name_or_path!r} gave a {type(suite).__name__} "
                "and no Suite; uninstall or update it."
            )
        return suite
    if isinstance(name_or_path, str) and name_or_path.startswith(_DATA_SETS):
        return _data_sets(name_or_path.removeprefix(_DATA_SETS), target)
    path = Path(name_or_path)
    if not str(name_or_path) or not _exists(path):
        raise UnknownNameError(
            f"There is no suite {str(name_or_path)!r}, neither by that name nor as a file or "
            f"folder; {suggestion(str(name_or_path), suite_names())}"
        )
    return _from_path(path, target)


def _data_sets(asked: str, target: str | None) -> Suite:
    if target is not None:
        raise UsageError(
            f"The column {target!r} was named for targets, and data sets have targets of their "
            "own; leave the column out."
        )
    from cortexscope.tasks._datasets import load_data_sets

    return load_data_sets(asked)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return False


def _from_path(path: Path, target: str | None = None) -> Suite:
    files = _files_of(path)
    read = _LINES.get(files[0].suffix.lower())
    if read is not None:
        return _joined(path, [read(files[0], target=target)])
    if target is not None:
        raise UsageError(
            f"The column {target!r} was named for targets, and {path} is YAML, which has no "
            "columns; write the key 'target' beside the text of a prompt instead."
        )
    return _joined(path, [read_yaml(file) for file in files])


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        if path.suffix.lower() not in (*_YAML, *_LINES):
            raise SuiteError(
                f"{path} has the ending {path.suffix!r}, and a suite is a file that ends in "
                f"{', '.join((*_YAML, *_LINES))}, or a folder of YAML files; rename or convert it."
            )
        return [path]
    files = sorted(
        file
        for file in path.iterdir()
        if file.suffix.lower() in _YAML and not file.name.startswith(".")
    )
    if not files:
        raise SuiteError(
            f"The folder {path} holds no .yaml file; give a folder of YAML suite files, or the "
            "path of one file."
        )
    return files


def _joined(path: Path, documents: Sequence[Document]) -> Suite:
    first = documents[0]
    tasks: dict[str, Task] = {}
    task_places: dict[str, Place] = {}
    id_places: dict[str, Place] = {}
    for document in documents:
        for key in ("name", "version"):
            ours, theirs = getattr(document, key), getattr(first, key)
            if ours != theirs:
                raise SuiteError(
                    f"{document.file} has the suite {key} {ours!r} and {first.file} {theirs!r}; "
                    "write the same in every file of the folder."
                )
        for section in document.sections:
            if section.task in tasks:
                raise SuiteError(
                    f"{section.place}: task {section.task!r} is also at "
                    f"{task_places[section.task]}; keep each task in one file."
                )
            for row in section.rows:
                if row.prompt.id in id_places:
                    raise SuiteError(
                        f"{row.place}: the id {row.prompt.id!r} is already taken at "
                        f"{id_places[row.prompt.id]}; give each prompt its own id."
                    )
                id_places[row.prompt.id] = row.place
            prompts = tuple(row.prompt for row in section.rows)
            tasks[section.task] = Task(section.task, section.description, prompts)
            task_places[section.task] = section.place
    if not tasks:
        raise SuiteError(f"{path} has no prompts; write at least one.")
    return Suite(first.name, first.version, tuple(tasks.values()))
