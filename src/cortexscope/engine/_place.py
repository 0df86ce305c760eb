"""Where a run is to be: a folder, or a URL and the folder here that it is written in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from cortexscope.engine._request import Progress
from cortexscope.errors import StoreError
from cortexscope.remote import is_url
from cortexscope.store import RemoteRun

__all__ = ["Place"]


class Place:
    """A place that was named as the one of a run.

    Args:
        out: a folder, or a URL that fsspec opens, such as `s3://bucket/run`.

    Raises:
        UsageError: if fsspec cannot open such URLs.
        StoreError: if the URL cannot be opened.
    """

    def __init__(self, out: Path | str) -> None:
        self._remote = RemoteRun(str(out)) if is_url(out) else None
        self.path = Path(out) if self._remote is None else self._remote.path
        """The folder here."""

    def __str__(self) -> str:
        return str(self._remote or self.path)

    @property
    def is_remote(self) -> bool:
        """Whether it is a URL."""
        return self._remote is not None

    @contextlib.contextmanager
    def written(self, *, resume: bool, force: bool) -> Iterator[Path]:
        """Yield the folder to write into; to a URL, what is finished is uploaded at the end.

        Raises:
            RunExistsError: if something at the URL would be lost.
            RunLockedError: if another process is writing there.
            StoreError: if it cannot be read or written; what is here stays whole.
        """
        if self._remote is None:
            yield self.path
        else:
            with self._remote.written(resume=resume, force=force):
                yield self.path

    def upload(self) -> None:
        """Upload what was made in the folder since; nothing where it is no URL.

        Raises:
            StoreError: if it cannot be uploaded; what is here stays whole.
        """
        if self._remote is not None:
            self._remote.upload()

    def told(self, progress: Progress) -> Progress:
        """Return a progress by which finished shards are uploaded while a run goes on."""
        return progress if self._remote is None else _Uploading(progress, self._remote)


class _Uploading:
    """Tells another progress all that it is told, and uploads what is finished."""

    def __init__(self, progress: Progress, remote: RemoteRun) -> None:
        self._progress = progress
        self._remote = remote

    def note(self, text: str) -> None:
        self._progress.note(text)

    def begin(self, model: str, tokens: int, done: int) -> None:
        self._progress.begin(model, tokens, done)

    def advance(self, model: str, tokens: int) -> None:
        self._progress.advance(model, tokens)
        try:
            self._remote.step()
        except StoreError as error:
            # It is tried again, and counts at the end.
            self._progress.note(str(error))

    def end(self, model: str) -> None:
        self._progress.end(model)
