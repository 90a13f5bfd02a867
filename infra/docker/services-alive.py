#!/usr/bin/env python
"""Ends with 0 when Prefect's background services on this host still report to Redis.

They have no web address to ask. What runs them is a worker of the Docket that Prefect calls `prefect`,
whose name begins with its host's and whose reports are ten seconds old at most.
"""

import asyncio
import os
import socket
import sys

from docket import Docket


async def alive(url: str) -> bool:
    """Whether the services of this host have reported lately."""
    async with Docket(name="prefect", url=url) as docket:
        names = [worker.name for worker in await docket.workers()]
    return any(name.startswith(f"{socket.gethostname()}#") for name in names)


if __name__ == "__main__":
    sys.exit(not asyncio.run(alive(os.environ["PREFECT_SERVER_DOCKET_URL"])))
