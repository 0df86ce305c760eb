"""Read a suite from one YAML file, keeping the line of every prompt.

The file is composed to nodes and never constructed, so no tag can make an object, and what YAML
would take for a number or a truth value is refused rather than turned into text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from cortexscope.errors import SuiteError
from cortexscope.records import Attribute, Prompt, Turn
from cortexscope.tasks._filters import Absent
from cortexscope.tasks._reading import (
    PARAPHRASE_OF,
    Document,
    Place,
    Section,
    check_names,
    check_task_name,
    prompt_of,
    read_text,
)
from cortexscope.tasks._turns import transcript, turns_of

__all__ = ["read_yaml"]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"
_NOTHING = "tag:yaml.org,2002:null"
# A suite needs 6 levels; the composer recurses in C, without a guard of its own.
_DEEPEST = 20
_PLAIN = ("str", "int", "float", "bool", "null")
"""The tags of what an attribute can be; no date, as a text of that form would not come back."""


def read_yaml(file: Path) -> Document:
    """Return the suite file, with the line of every prompt.

    Raises:
        SuiteError: if it is not YAML, or not a suite; the message names file, line and id.
    """
    text = read_text(file)
    try:
        _refuse_aliases(text, file)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Place(file, mark.line + 1) if mark else file
        raise SuiteError(f"{where}: this is not YAML ({error.problem}); correct it.") from error
    except yaml.reader.ReaderError as error:
        bad = chr(error.character) if isinstance(error.character, int) else str(error.character)
        place = Place(file, text.count("\n", 0, max(text.find(bad), 0)) + 1)
        raise SuiteError(f"{place}: YAML allows no character {bad!a}; delete it.") from error
    if root is None:
        raise SuiteError(f"{file} is empty; write name, version and tasks into it.")
    return _document(root, file)


def _refuse_aliases(text: str, file: Path) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise SuiteError(
                f"{_place(event, file)}: YAML aliases are not read (*{event.anchor}); "
                "write the content out."
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise SuiteError(
                    f"{_place(event, file)}: the nesting is deeper than {_DEEPEST} levels; "
                    "a suite needs only name, version and tasks with their prompts."
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _document(root: yaml.Node, file: Path) -> Document:
    where = str(_place(root, file))
    keys = _mapping(root, "the suite", file)
    check_names(
        keys,
        required=("name", "version", "tasks"),
        optional=("description", "licence"),
        kind="key",
        where=where,
    )
    for key in keys:
        if key != "tasks":
            value = _string(keys[key], f"the suite's {key}", file)
            if not value.strip():
                raise SuiteError(f"{_place(keys[key], file)}: the suite's {key} is empty; fill it.")
    _mapping(keys["tasks"], "'tasks'", file)
    sections = tuple(
        _section(key.value, node, _place(key, file)) for key, node in keys["tasks"].value
    )
    return Document(
        file,
        name=_string(keys["name"], "the suite's name", file),
        version=_string(keys["version"], "the suite's version", file),
        sections=sections,
    )


def _section(task: str, node: yaml.Node, place: Place) -> Section:
    file = place.file
    check_task_name(task, str(place))
    keys = _mapping(node, f"task {task!r}", file)
    check_names(
        keys,
        required=("prompts",),
        optional=("description",),
        kind="key",
        where=f"{place}: task {task!r}",
    )
    description = ""
    if "description" in keys:
        description = _string(keys["description"], f"the description of task {task!r}", file)
    prompts = keys["prompts"]
    if not isinstance(prompts, yaml.SequenceNode):
        raise SuiteError(
            f"{_place(prompts, file)}: the prompts of task {task!r} are not a list; "
            "begin each with '- '."
        )
    found = tuple(_prompt(task, item, file) for item in prompts.value)
    if not found:
        raise SuiteError(f"{place}: task {task!r} has no prompts; add some or delete the task.")
    return Section(task, description, found, place)


def _prompt(task: str, node: yaml.Node, file: Path) -> Prompt:
    place = _place(node, file)
    keys = _mapping(node, f"a prompt of task {task!r}", file)
    prompt_id = ""
    if "id" in keys:
        prompt_id = _string(keys["id"], f"the id of a prompt of task {task!r}", file)
    where = f"{place}: prompt {prompt_id!r}" if prompt_id else f"{place}: a prompt of task {task!r}"
    talk = "messages" in keys
    check_names(
        keys,
        required=("id", "messages" if talk else "text"),
        optional=(PARAPHRASE_OF, "target", "attributes"),
        kind="key",
        where=where,
    )
    turns = _turns(keys["messages"], where, file) if talk else ()
    more = {
        key: _string(keys[key], f"the {key} of prompt {prompt_id!r}", file)
        for key in ("target", PARAPHRASE_OF)
        if key in keys and keys[key].tag != _NOTHING
    }
    return prompt_of(
        task=task,
        prompt_id=prompt_id,
        text=(
            transcript(turns)
            if talk
            else _string(keys["text"], f"the text of prompt {prompt_id!r}", file)
        ),
        target=more.get("target"),
        paraphrase_of=more.get(PARAPHRASE_OF),
        attributes=_attributes(keys.get("attributes"), prompt_id, file),
        turns=turns,
        source=f"{file.name}:{place.line}",
        place=str(place),
    )


def _turns(node: yaml.Node, where: str, file: Path) -> tuple[Turn, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise SuiteError(f"{where}: messages is {_kind(node)}; write a list of role and content.")
    messages = []
    for item in node.value:
        keys = _mapping(item, "a message", file)
        check_names(
            keys, required=("role", "content"), optional=(), kind="key", where=f"{where}: a message"
        )
        messages.append({key: _string(keys[key], f"the {key} of a message", file) for key in keys})
    try:
        turns, _ = turns_of(messages)
    except Absent as error:
        raise SuiteError(f"{where}: {error}; write one with the role user.") from error
    return turns


def _attributes(node: yaml.Node | None, prompt_id: str, file: Path) -> dict[str, Attribute]:
    """Return what else is known of a prompt: here a number is one, as it is the user's own."""
    if node is None:
        return {}
    keys = _mapping(node, f"'attributes' of prompt {prompt_id!r}", file)
    found: dict[str, Attribute] = {}
    for name, value in keys.items():
        kind = value.tag.rpartition(":")[2]
        if not isinstance(value, yaml.ScalarNode) or kind not in _PLAIN:
            raise SuiteError(
                f"{_place(value, file)}: the attribute {name!r} of prompt {prompt_id!r} is "
                f"{_kind(value)}; write one text, number or truth value."
            )
        found[name] = yaml.safe_load(yaml.serialize(value)) if kind != "str" else value.value
    return found


def _mapping(node: yaml.Node, what: str, file: Path) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise SuiteError(
            f"{_place(node, file)}: {what} is {_kind(node)} where keys with values are needed; "
            "write 'key: value' pairs."
        )
    values: dict[str, yaml.Node] = {}
    lines: dict[str, int] = {}
    for key, value, line in _pairs(node, what, file):
        if key in values:
            raise SuiteError(
                f"{file}:{line}: {what} has the key {key!r} twice (first in line {lines[key]}); "
                "delete one of them."
            )
        values[key], lines[key] = value, line
    return values


def _pairs(node: yaml.MappingNode, what: str, file: Path) -> Iterator[tuple[str, yaml.Node, int]]:
    for key, value in node.value:
        yield _string(key, f"a key of {what}", file), value, key.start_mark.line + 1


def _string(node: yaml.Node, what: str, file: Path) -> str:
    if isinstance(node, yaml.ScalarNode) and node.tag == _TEXT:
        return str(node.value)
    place = _place(node, file)
    if isinstance(node, yaml.ScalarNode) and node.value:
        raise SuiteError(
            f"{place}: {what} is {node.value}, which YAML reads as {_kind(node)} and not as text; "
            f'put it in quotes: "{node.value}".'
        )
    raise SuiteError(f"{place}: {what} is {_kind(node)} where text is needed; write the text.")


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    names = {
        "bool": "a truth value",
        "int": "a number",
        "float": "a number",
        "null": "nothing",
        "timestamp": "a date",
        "str": "text",
    }
    tag = node.tag.rpartition(":")[2]
    return names.get(tag, f"a value with the tag {tag!r}")


def _place(thing: yaml.Node | yaml.Event, file: Path) -> Place:
    assert thing.start_mark is not None  # only what is made without a file has no mark
    return Place(file, thing.start_mark.line + 1)
