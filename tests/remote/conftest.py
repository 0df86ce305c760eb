"""Two stores that fsspec opens: one in this process, and a server of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from buckets import s3_server
from store.test_completeness import made

from cortexscope.store import Run


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of the server."""
    with s3_server() as address:
        yield address


@pytest.fixture(params=["memory", "s3"])
def base(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A URL with nothing below it, and an empty cache."""
    monkeypatch.setenv("CORTEXSCOPE_CACHE", str(tmp_path / "cache"))
    if request.param == "s3":
        request.getfixturevalue("s3")
    url = f"{request.param}://runs/{tmp_path.name}"
    yield url
    store, root = fsspec.url_to_fs(url)
    if store.exists(root):
        store.rm(root, recursive=True)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return made(tmp_path / "here")
