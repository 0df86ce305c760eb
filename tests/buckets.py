"""A server of this machine that speaks S3, and what talks to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import fsspec
import pytest

from cortexscope.remote import RemoteFolder

__all__ = ["content", "names", "put", "s3_server"]

_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "only-a-test",
    "AWS_SECRET_ACCESS_KEY": "no-secret-of-anyone",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Yield the address of a server with the bucket `runs`, on a free port of this machine."""
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    import boto3

    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        address = f"http://{host}:{port}"
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (_ENVIRONMENT | {"AWS_ENDPOINT_URL": address}).items():
                patch.setenv(name, value)
            client = boto3.client("s3", endpoint_url=address)
            client.create_bucket(Bucket="runs")
            client.close()
            # Those of before know another address, or none.
            s3fs.S3FileSystem.clear_instance_cache()
            yield address
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        running.stop()


def names(url: str) -> set[str]:
    return set(RemoteFolder(url).entries())


def content(url: str, name: str) -> bytes:
    store, root = fsspec.url_to_fs(url)
    found: bytes = store.cat_file(f"{root}/{name}")
    return found


def put(url: str, name: str, data: bytes) -> None:
    store, root = fsspec.url_to_fs(url)
    store.pipe_file(f"{root}/{name}", data)
