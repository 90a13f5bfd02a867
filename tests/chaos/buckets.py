"""An S3 server on loopback, with a bucket."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUCKET = "campaign"


@dataclass(frozen=True)
class S3:
    """The server's port, a client for it, and the variables that lead a command there."""

    port: int
    client: Any

    def variables(self, port: int | None = None) -> dict[str, str]:
        """Of the server itself, or of one in front of it."""
        return {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port or self.port}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "something",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def fill(self, folder: Path, prefix: str) -> None:
        """Put the files of a folder under a prefix, for everybody to read."""
        for path in folder.rglob("*"):
            if path.is_file():
                key = f"{prefix}/{path.relative_to(folder).as_posix()}"
                self.client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes(), ACL="public-read")

    def download(self, prefix: str, folder: Path) -> None:
        """Have everything under a prefix in a folder."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        for entry in (entry for page in pages for entry in page.get("Contents", ())):
            path = folder / entry["Key"].removeprefix(f"{prefix}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read())


@contextmanager
def s3() -> Iterator[S3]:
    """A server with an empty bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="somebody",
        aws_secret_access_key="something",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET, ACL="public-read")
    try:
        yield S3(port, client)
    finally:
        client.close()
        server.stop()
