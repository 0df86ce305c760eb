"""Metrics of a user's own, each a class in one Python file."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from cortexscope.errors import CortexscopeError, UsageError
from cortexscope.metrics._table import METRICS
from cortexscope.records import MetricSpec

__all__ = ["failure", "from_file", "load_plugin", "origins"]

_PREFIX = "_cortexscope_plugin_"


def load_plugin(path: Path | str, *, source: bytes | None = None) -> list[str]:
    """Add the metrics of a Python file to all metrics, and return their names.

    The file is run as a module of its own. Each class in it that has a `spec` and inherits from
    `cortexscope.metrics.Metric` is a metric. Other classes are left alone, and so are names that it
    only imports. A file that is loaded again replaces what it gave before.

    Args:
        path: the file.
        source: what it holds, for where it is not there; it is read where None.

    Raises:
        UsageError: if the file cannot be read or run, holds no metric, or one whose spec is
            incomplete or whose name is taken; the message names file and line.
    """
    path = Path(path).resolve()
    try:
        source = path.read_bytes() if source is None else source
    except OSError as error:
        raise UsageError(
            f"The plug-in {path} cannot be read ({error.strerror}); name a Python file."
        ) from error
    module = ModuleType(_PREFIX + hashlib.sha256(bytes(path)).hexdigest()[:16])
    module.__file__ = str(path)
    before = sys.modules.get(module.__name__)
    # Dataclasses and type hints look their module up there while it runs.
    sys.modules[module.__name__] = module
    try:
        lines = _run(module, source, path)
        found = _metrics_in(module, path, lines)
    except BaseException:
        del sys.modules[module.__name__]
        if before is not None:
            sys.modules[module.__name__] = before
        raise
    for name in METRICS.names():
        if _module_of(name) == module.__name__:
            METRICS.drop(name)
    digest = f"sha256:{hashlib.sha256(source).hexdigest()}"
    for name, place in found.items():
        METRICS.add(name, f"{module.__name__}:{place}", origin=digest)
    return list(found)


def from_file(name: str) -> bool:
    """Return whether a metric comes from a file that `load_plugin` read."""
    return _module_of(name).startswith(_PREFIX)


def origins(names: Sequence[str]) -> dict[str, str]:
    """Return what fixes the code of those metrics that are not cortexscope's own, by name."""
    known = {name: METRICS.origin(name) for name in names}
    return {name: origin for name, origin in known.items() if origin is not None}


def failure(name: str, error: BaseException) -> BaseException:
    """Return the error to raise where a metric failed: of a plug-in one that says where.

    Args:
        name: of the metric.
        error: what it raised; returned where the metric is one of cortexscope's own.
    """
    if isinstance(error, CortexscopeError) or METRICS.origin(name) is None:
        return error
    file = getattr(sys.modules.get(_module_of(name)), "__file__", None)
    path = Path(file or _module_of(name))
    what = f"the metric {name!r} failed on what the model showed it: {_said(error)}"
    wrong = _wrong(path, _line(error, path), f"{what}; `cortexscope metrics check` tries it alone")
    # One that ends the program is no input that is wrong: its exit code must not be trusted.
    return wrong if isinstance(error, Exception) else CortexscopeError(str(wrong))


def _module_of(name: str) -> str:
    return METRICS.place(name).partition(":")[0]


def _run(module: ModuleType, source: bytes, path: Path) -> dict[str, int]:
    """Run a file as a module, and return the line of each class in it."""
    try:
        tree = ast.parse(source, filename=str(path))
        code = compile(tree, str(path), "exec")
    except SyntaxError as error:
        raise _wrong(path, error.lineno, f"is not Python: {error.msg}") from error
    except ValueError as error:
        raise _wrong(path, None, f"is not Python: {error}") from error
    try:
        exec(code, module.__dict__)
    # A file may also end the process, or raise what is not an Exception.
    except (Exception, SystemExit) as error:
        what = f"fails when it is imported: {_said(error)}"
        raise _wrong(path, _line(error, path), what) from error
    return {node.name: node.lineno for node in tree.body if isinstance(node, ast.ClassDef)}


def _metrics_in(module: ModuleType, path: Path, lines: dict[str, int]) -> dict[str, str]:
    """Return what each metric's class is called in the module, by the metric's name."""
    from cortexscope.metrics.base.metric import Metric
    from cortexscope.metrics.base.spec import spec_fault

    found: dict[str, str] = {}
    classes = {kind: name for name, kind in vars(module).items() if isinstance(kind, type)}
    for kind, place in classes.items():
        if kind.__module__ != module.__name__ or not issubclass(kind, Metric):
            continue
        if "spec" not in vars(kind):
            continue
        line, spec = lines.get(kind.__name__), kind.spec
        if not isinstance(spec, MetricSpec):
            raise _wrong(path, line, f"the spec of {kind.__name__} is no MetricSpec")
        fault = spec_fault(spec)
        if fault is not None:
            raise _wrong(path, line, f"the spec of {kind.__name__} is wrong: {fault}")
        if inspect.isabstract(kind):
            missing = " and ".join(sorted(kind.__abstractmethods__))
            raise _wrong(path, line, f"{kind.__name__} does not define {missing}")
        taken = spec.name in METRICS.names() and _module_of(spec.name) != module.__name__
        if taken or spec.name in found:
            raise _wrong(
                path,
                line,
                f"there is a metric {spec.name!r} already; give {kind.__name__} another name",
            )
        found[spec.name] = place
    if not found:
        raise _wrong(
            path, None, "holds no metric, which is a subclass of a metric's class with a `spec`"
        )
    return found


def _line(error: BaseException, path: Path) -> int | None:
    """Return the line of a file in which an error arose."""
    steps = reversed(traceback.extract_tb(error.__traceback__))
    return next((step.lineno for step in steps if step.filename == str(path)), None)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".removesuffix(": ")


def _wrong(path: Path, line: int | None, what: str) -> UsageError:
    place = f"{path}" if line is None else f"{path}, line {line}"
    return UsageError(f"The plug-in {place}: {what.rstrip('.')}.")
