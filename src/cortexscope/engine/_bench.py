"""Where jobs are done one after the other, with one model in memory at a time."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from cortexscope.engine._job import Failed, Finished, Job, Ready, Steps
from cortexscope.errors import CortexscopeError, ModelError
from cortexscope.texts import shortened

if TYPE_CHECKING:
    from cortexscope.engine._worker import Worker
    from cortexscope.models import ModelSource
    from cortexscope.records import Finding, ModelInfo

__all__ = ["Bench", "portable"]


class Bench:
    """Does jobs in this process; the next model finds the memory of the last one free.

    Args:
        opened: models that this process has opened already, by label.
    """

    def __init__(self, opened: Mapping[str, ModelSource] | None = None) -> None:
        self._opened = opened or {}
        self._worker: Worker | None = None

    def measure(
        self, job: Job, advance: Callable[[int], None]
    ) -> Iterator[Ready | Steps | Finished | Failed]:
        """Yield what is measured of a job, or why its model fails.

        Args:
            job: a model's first job here loads it.
            advance: told the number of tokens after each batch.
        """
        try:
            yield from self._measured(job, advance)
        except Exception as error:
            self.clear()
            # What was under way would keep the model in memory for as long as the error is there.
            traceback.clear_frames(error.__traceback__)
            yield Failed(job.model, error)

    def _measured(
        self, job: Job, advance: Callable[[int], None]
    ) -> Iterator[Ready | Steps | Finished]:
        # torch and all of transformers come here, after a wrong request has had its answer.
        from cortexscope.engine._worker import Worker

        if self._worker is None or self._worker.setup != job.setup:
            self.clear()
            worker = Worker(job.setup, self._opened.get(job.model))
            _refuse_wrong(job.setup.info, worker.ready.checks or ())
            self._worker = worker
            yield worker.ready
        yield from self._worker.measure(job, advance)

    def clear(self) -> None:
        """Let go of the model."""
        self._worker = None
        gc.collect()


def portable(error: BaseException) -> Exception:
    """Return an error that any process can read, with its traceback as a note.

    Errors of other code keep their text alone: their classes may be in no module over there.
    """
    said = f"{type(error).__name__}: {error}".removesuffix(": ")
    plain = error if isinstance(error, CortexscopeError) else ModelError(shortened(said, 500))
    plain.add_note("".join(traceback.format_exception(error)))
    return plain


def _refuse_wrong(info: ModelInfo, findings: tuple[Finding, ...]) -> None:
    """Stop where the quick checks found that what will be measured would be wrong."""
    from cortexscope.selfchecks import UNSEEN

    for failed in findings:
        # What is measured of attention is right, though it is not all that there is.
        if failed.passed is not False or failed.check == UNSEEN:
            continue
        where = f" in {failed.place}" if failed.place else ""
        raise ModelError(
            f"{info.model} fails the check {failed.check!r}{where}: {failed.sentence.rstrip('.')}; "
            f"look closer with `cortexscope selfcheck {info.reference}`, or measure all the same "
            "with --no-selfcheck."
        )
