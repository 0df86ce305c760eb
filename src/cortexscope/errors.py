"""Every error that cortexscope raises on purpose.

    CortexscopeError                 exit code 1 unless said otherwise
    ├── UsageError                   what was asked cannot be done as asked (exit code 2)
    │   ├── UnknownNameError         a name that is not in a table, with the nearest ones
    │   ├── SuiteError               a suite file that is wrong, named by file, line and id
    │   ├── RunExistsError           the output folder holds something that must not be lost
    │   └── RunLockedError           another process is writing the output folder
    ├── ModelError                   a model cannot be found, read or trusted
    │   ├── ModelNotFoundError       nothing behind the reference (2)
    │   ├── ModelFileError           a file of the model is damaged or contradicts itself (2)
    │   ├── UnsafeModelError         pickle weights, or code in a model repository (2)
    │   └── UnsupportedModelError    the model's parts cannot be told apart
    ├── ConditionError               what was measured does not meet a condition given for it (3)
    ├── BackendError                 whoever was to do the work cannot be had, or is lost
    │   └── WorkerLostError          workers were lost over the same work again and again
    └── StoreError                   a run folder cannot be written or read
        ├── SchemaVersionError       written by a newer cortexscope
        └── CorruptRunError          a file of the run is missing or damaged

A message is one sentence that says what was asked, what was found, and what to do.
"""

from __future__ import annotations

from cortexscope.texts import shortened

__all__ = [
    "ConditionError",
    "BackendError",
    "CorruptRunError",
    "CortexscopeError",
    "ModelError",
    "ModelFileError",
    "ModelNotFoundError",
    "RunExistsError",
    "RunLockedError",
    "SchemaVersionError",
    "StoreError",
    "SuiteError",
    "UnknownNameError",
    "UnsafeModelError",
    "UnsupportedModelError",
    "UsageError",
    "WorkerLostError",
]


_LONGEST = 2000
"""Characters of a message: names from files may have any number."""


class CortexscopeError(Exception):
    """Root of all errors raised on purpose; `exit_code` is what the command line returns.

    Its message is one line that cannot steer a terminal, whatever names it holds.
    """

    exit_code = 1

    def __str__(self) -> str:
        return shortened(super().__str__(), _LONGEST)


class UsageError(CortexscopeError):
    """What was asked cannot be done as asked: a command line, an argument, an input file."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is in no table; the message names the nearest ones."""


class SuiteError(UsageError):
    """A suite file that is wrong; the message names the file, the line and the prompt id."""


class RunExistsError(UsageError):
    """The output folder holds something that is never overwritten unasked."""


class RunLockedError(UsageError):
    """Another process is writing the output folder; the message names it."""


class ModelError(CortexscopeError):
    """A model cannot be found, read, or trusted."""


class ModelNotFoundError(ModelError):
    """Nothing usable stands behind a model reference (a misspelt one is a usage error)."""

    exit_code = 2


class ModelFileError(ModelError):
    """A file of the model is damaged, cut short, or contradicts another one."""

    exit_code = 2


class UnsafeModelError(ModelError):
    """Using the model would run foreign code: pickle weights, or code in its repository."""

    exit_code = 2


class UnsupportedModelError(ModelError):
    """The parts of the model cannot be told apart, so nothing about it would be true."""


class ConditionError(CortexscopeError):
    """What was measured does not meet a condition that the user gave for it."""

    exit_code = 3


class BackendError(CortexscopeError):
    """Whoever was to do the work of a run cannot be had, or is lost."""


class WorkerLostError(BackendError):
    """Workers were lost over the same piece of work until it was given up."""


class StoreError(CortexscopeError):
    """A run folder cannot be written or read."""


class SchemaVersionError(StoreError):
    """The run was written by another, newer schema."""


class CorruptRunError(StoreError):
    """A file of the run is missing or damaged."""
