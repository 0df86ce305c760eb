"""The command line: one file a verb, no logic; errors become one sentence and an exit code."""

from __future__ import annotations

import gc
import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from cortexscope._version import __version__
from cortexscope.cli import models, tasks
from cortexscope.cli._ending import Stopped, Verbs, stoppable
from cortexscope.cli._terminal import (
    LOG_FORMATS,
    LONGEST,
    log_format,
    outside_voices,
    say,
    tell,
    tells_events,
)
from cortexscope.cli.audit import audit
from cortexscope.cli.compare import compare
from cortexscope.cli.doctor import doctor
from cortexscope.cli.export import export
from cortexscope.cli.figures import figures
from cortexscope.cli.lesion import lesion
from cortexscope.cli.ls import ls
from cortexscope.cli.merge import merge
from cortexscope.cli.metrics import app as metrics_app
from cortexscope.cli.outcomes import outcomes
from cortexscope.cli.plan import plan
from cortexscope.cli.report import report
from cortexscope.cli.rerun import rerun
from cortexscope.cli.run import run
from cortexscope.cli.selfcheck import selfcheck
from cortexscope.cli.stats import stats
from cortexscope.cli.tables import tables
from cortexscope.cli.upload import upload
from cortexscope.cli.workbooks import workbooks
from cortexscope.errors import CortexscopeError, UsageError
from cortexscope.files import FULL
from cortexscope.texts import shortened

__all__ = ["app", "main"]

app = typer.Typer(
    name="cortexscope",
    cls=Verbs,
    help="See what happens inside a language model while it reads.",
    epilog="Exit codes: 0 done; 1 something failed and is named; 2 the command line or an input "
    "file is wrong; 3 a condition given for what is measured fails: --fail-if, or a tolerance; "
    "130 and 143 ended by Ctrl-C (SIGINT) and by SIGTERM, what is finished kept.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _help_of(verb: Callable[..., None]) -> str:
    """Return what a verb's docstring tells a user: not what it raises."""
    return (inspect.getdoc(verb) or "").partition("\n\nRaises:")[0]


_VERBS: tuple[Callable[..., None], ...] = (
    run,
    compare,
    lesion,
    plan,
    rerun,
    selfcheck,
    report,
    tables,
    workbooks,
    figures,
    stats,
    outcomes,
    export,
    audit,
    ls,
    doctor,
    merge,
    upload,
)
for _verb in _VERBS:
    app.command(help=_help_of(_verb))(_verb)
app.add_typer(models.app, name="models")
app.add_typer(tasks.app, name="tasks")
app.add_typer(metrics_app, name="metrics")


def _print_version(*, value: bool) -> bool:
    if value:
        typer.echo(f"cortexscope {__version__}")
        raise typer.Exit
    return value


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the whole traceback of an error.")
    ] = False,
    log_format: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How standard error says things: text, or json, an event a line with time, "
            "tokens a second and memory.",
        ),
    ] = LOG_FORMATS[0],
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code, as `--help` lists them.

    Args:
        arguments: without the program's name; those of this process where None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    given, asked = _log_format(given)
    with log_format(asked):
        if asked in LOG_FORMATS:
            try:
                return _carried_out(given, debug=debug, last=arguments is None)
            finally:
                if arguments is None:
                    # To look for cycles in all that torch holds, as the process ends, takes 1 s.
                    gc.freeze()
        message = f"--log-format is {asked!r}; give {' or '.join(LOG_FORMATS)}."
        return _fail(UsageError(message), message, UsageError.exit_code, debug=debug)


def _log_format(arguments: list[str]) -> tuple[list[str], str]:
    """Return arguments without the format of standard error, wherever it stands, and that."""
    kept, asked = [], LOG_FORMATS[0]
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name == "--log-format":
            asked = value if equals else next(rest, "")
        else:
            kept.append(argument)
    return kept, asked


def _carried_out(given: Sequence[str], *, debug: bool, last: bool) -> int:
    try:
        with outside_voices(), stoppable(last=last) as ends_with:
            command = typer.main.get_command(app)
            result = command.main(given, prog_name="cortexscope", standalone_mode=False)
            sys.stdout.flush()
            code = result if isinstance(result, int) else 0
            ends_with(code)
            return code
    except Stopped as stopped:
        return _fail(stopped, stopped.sentence, stopped.exit_code, debug=debug)
    except CortexscopeError as error:
        return _fail(error, str(error), error.exit_code, debug=debug)
    except typer.TyperException as error:
        message = error.format_message()
        # Without a message the help was asked for by giving no verb, and has been printed.
        return _fail(error, _sentence(error, message), 2, debug=debug) if message else 2
    except typer.Abort as error:
        return _fail(error, Stopped(signal.SIGINT).sentence, 1, debug=debug)
    except SystemExit as error:
        # The reader of our output has gone, as with `| head`; that is no error of ours, though
        # typer and rich end the program by it.
        if isinstance(error.__context__, BrokenPipeError):
            return _hang_up(0)
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            # The error of a file would have named it.
            message = "The output cannot be written: the disk is full; free some space."
            return _hang_up(_fail(error, message, 1, debug=debug))
        where = f"{type(error).__name__}: {error}".splitlines()[0]
        return _fail(
            error,
            f"cortexscope itself failed ({where}); please report what --debug shows.",
            1,
            debug=debug,
        )


def _hang_up(code: int) -> int:
    # The interpreter must not complain about the stream when it closes it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _sentence(error: typer.TyperException, message: str) -> str:
    command = getattr(getattr(error, "ctx", None), "command_path", "cortexscope")
    end = "" if message.endswith("?") else f"; see {command} --help."
    return message.rstrip(".") + end


def _fail(error: BaseException, message: str, code: int, *, debug: bool) -> int:
    if debug:
        import traceback

        say("".join(traceback.format_exception(error)), err=True, end="")
    message = shortened(message, LONGEST)
    if tells_events():
        tell("error", text=message, exit_code=code)
    else:
        say(f"Error: {message}", err=True)
    return code
