"""The dashboard under gunicorn: several worker processes, any of which may keep the board."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from gunicorn.app.base import BaseApplication

from bridge.client import Bridge
from bridge.client.board import Board, BoardKeeper
from bridge.core.errors import UnavailableError
from bridge.core.settings import BrokerSettings
from bridge.dashboard.app import LOCAL_NAMES, make_app
from bridge.dashboard.desk import Desk
from bridge.dashboard.examples import Example

log = structlog.get_logger()

THREADS = 8
"""Of a worker: a page that waits for a far site keeps one of them for a moment."""
PATIENCE = timedelta(seconds=3)
"""How long a page waits for a site or the broker before it says that they are away."""
_SLOWEST_S = 60
_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What a dashboard serves, and where."""

    broker: BrokerSettings
    board: str
    """A SQLite file's path, or an SQLAlchemy URL."""
    examples: tuple[Example, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8050
    """0 takes a free one."""
    workers: int = 2
    host_names: frozenset[str] = LOCAL_NAMES
    """What it may be called in an address."""


def serve(serving: Serving) -> None:
    """Serve until a signal ends it (SIGTERM: gunicorn ends its workers in good order)."""
    _Gunicorn(
        lambda: _worker(serving),
        bind=f"{serving.host}:{serving.port}",
        workers=serving.workers,
        worker_class="gthread",
        threads=THREADS,
        timeout=_SLOWEST_S,
        graceful_timeout=5,
        proc_name="hpc-bridge dashboard",
        control_socket_disable=True,
    ).run()


def _worker(serving: Serving) -> Any:
    """The application of one worker, with connections of its own: made after the fork."""
    board = _board(serving.board)
    bridge = Bridge(serving.broker, patience=PATIENCE)
    # Each worker has one; the board's lease lets one of them work, and another when that one dies.
    BoardKeeper(serving.broker, board).start()
    desk = Desk(
        board=board, bridge=bridge, examples=serving.examples, now=lambda: datetime.now(UTC)
    )
    app = make_app(desk, host_names=serving.host_names)
    # Dash sets itself up with the first question, and not for two threads at once.
    app.server.test_client().get("/_dash-layout", headers={"Host": "127.0.0.1"})
    return app.server


def _board(url: str) -> Board:
    """The board, as soon as its database answers: gunicorn ends where a worker cannot begin."""
    while True:
        try:
            return Board(url)
        except UnavailableError as error:
            log.warning("board_unavailable", why=str(error))
            time.sleep(_PAUSE_S)


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    """gunicorn inside this process, without its own command line and files."""

    def __init__(self, load: Callable[[], Any], **settings: object) -> None:
        self._load = load
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._load()
