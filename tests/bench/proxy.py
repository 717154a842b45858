"""A slow way to the broker, in a process of its own: `python -m bench.proxy PORT DELAY`."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from tcp_proxy import TcpProxy


@contextmanager
def slow_way(port: int, *, round_trip: timedelta) -> Iterator[int]:
    """A port of this machine that leads to `port`, with so much more time there and back."""
    delay = round_trip.total_seconds() / 2
    with subprocess.Popen(
        [sys.executable, "-m", "bench.proxy", str(port), str(delay)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("no pipes")
        yield int(process.stdout.readline())
        process.stdin.close()


if __name__ == "__main__":
    with TcpProxy(int(sys.argv[1]), delay=float(sys.argv[2])) as proxy:
        sys.stdout.write(f"{proxy.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
