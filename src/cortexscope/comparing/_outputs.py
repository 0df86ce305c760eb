"""What machines of others read of a comparison: JUnit XML, and a summary in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from cortexscope.comparing._comparison import Comparison, Outcome
from cortexscope.document import Document, Prose, Section, render
from cortexscope.files import storage_errors, whole_file
from cortexscope.texts import plain

__all__ = ["append_summary", "write_junit"]

_SUITE = "cortexscope compare"


def write_junit(path: Path, outcomes: Sequence[Outcome], failures: Mapping[str, str]) -> None:
    """Write JUnit XML: a test case a condition and model, and one a model that failed.

    A condition that holds is a failure, and so is one that cannot be decided.

    Args:
        path: of the file.
        outcomes: of the conditions.
        failures: why models could not be measured, by label.

    Raises:
        StoreError: if the file cannot be written.
    """
    failed = sum(own.failed for own in outcomes)
    counts = {
        "name": _SUITE,
        "tests": str(len(outcomes) + len(failures)),
        "failures": str(failed),
        "errors": str(len(failures)),
    }
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", counts)
    for own in outcomes:
        case = _case(suite, own.condition.text, own.model)
        if own.failed:
            kind = "condition" if own.holds else "undefined"
            told = plain(str(own))
            ElementTree.SubElement(case, "failure", message=told, type=kind).text = told
    for model, why in failures.items():
        case = _case(suite, "is measured", model)
        ElementTree.SubElement(case, "error", message=plain(why), type="model").text = plain(why)
    ElementTree.indent(root)
    content = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    with whole_file(path) as part:
        part.write_bytes(content + b"\n")


def _case(suite: ElementTree.Element, name: str, model: str) -> ElementTree.Element:
    told = {"name": plain(name), "classname": f"{_SUITE}.{plain(model)}"}
    return ElementTree.SubElement(suite, "testcase", told)


def append_summary(path: Path, comparison: Comparison, outcomes: Sequence[Outcome]) -> None:
    """Append what was found and what became of conditions to a file, as Markdown.

    Raises:
        StoreError: if the file cannot be written.
    """
    document = comparison.document()
    judged = tuple(f"{'Failed' if own.failed else 'Passed'}: {own}" for own in outcomes)
    blocks = (Prose(judged, "list"),) if judged else ()
    (section,) = document.sections
    whole = Document("cortexscope compare", (Section("compared", "", (*blocks, *section.blocks)),))
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(str(render(whole, "markdown")) + "\n")
