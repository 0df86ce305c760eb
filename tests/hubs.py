"""A stand-in for the hub on this machine: it serves what it has, and fails as it is told to."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

__all__ = ["COMMIT", "Answers", "Hub", "point_to", "running"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Answers as the hub does for one repository, whose files are in a folder."""

    daemon_threads = True

    def __init__(self, folder: Path, answers: type[Answers]) -> None:
        super().__init__(("127.0.0.1", 0), answers)
        self.folder = folder
        self.failure: tuple[int, str | None] | None = None
        self.gated_files = False
        self.asked: list[str] = []

    def files(self) -> dict[str, Path]:
        """Return the files by their path in the repository."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path for path in found}


class Answers(BaseHTTPRequestHandler):
    """What the hub says; a subclass says it for its kind of repository, in `answer`."""

    server: Hub

    def answer(self, path: str) -> None:
        raise NotImplementedError

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urllib.parse.unquote(self.path.partition("?")[0])
        self.server.asked.append(f"{self.command} {path}")
        if self.server.failure is not None:
            self.fail(*self.server.failure)
        else:
            self.answer(path)

    def fail(self, status: int, code: str | None) -> None:
        self.send_response(status)
        if code is not None:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def json(self, content: object) -> None:
        self.send(json.dumps(content).encode(), number=0)

    def send(self, content: bytes, *, number: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{number:040x}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def point_to(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Take what is at an endpoint for the hub, and go there."""
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@contextmanager
def running(server: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Run a hub, and take it for the real one."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    point_to(monkeypatch, f"http://127.0.0.1:{server.server_address[1]}")
    yield server
    huggingface_hub.close_session()
    server.shutdown()
    server.server_close()
    thread.join()
