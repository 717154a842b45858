"""A thread that owns an AMQP connection and does nothing else, so that heartbeats always go out."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog
from pika import SelectConnection
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.connection import Connection

from bridge.adapters.rabbitmq.declaration import Declaration
from bridge.adapters.rabbitmq.failure import LONGEST_RETRY, Failure, Retry, explain
from bridge.adapters.rabbitmq.parameters import connection_parameters
from bridge.adapters.rabbitmq.pika_manners import cut, quieten
from bridge.adapters.rabbitmq.tenant import Tenant
from bridge.core.settings import BrokerSettings

log = structlog.get_logger()

_LAST_RESORT = timedelta(seconds=1)
"""How long an aborted connection may take to say that it is gone."""
_LOOK_AGAIN = timedelta(seconds=0.2)
"""How long a declaration pauses before it looks again for what is not back yet."""


class ConnectionThread:
    """Keeps one connection with one channel open, through whatever happens to the broker."""

    _ioloop: IOLoop  # from start() on: it holds sockets

    def __init__(
        self,
        settings: BrokerSettings,
        tenant: Tenant,
        *,
        name: str,
        longest_retry: timedelta = LONGEST_RETRY,
    ) -> None:
        """Raises ConfigurationError when the settings name a file that cannot be read."""
        connection_parameters(settings, name=name)
        self.problems: tuple[str, ...] = ()
        """What the broker refused to declare the last time, in words."""
        self.failure: Failure | None = None
        """Why there is no channel; None while there is one."""
        self._settings = settings
        self._tenant = tenant
        self._name = name
        self._log = log.bind(connection=name)
        self._retry = Retry(random.SystemRandom().random, longest=longest_retry)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._lock = threading.Lock()
        self._actions: deque[Callable[[], None]] = deque()
        self._is_running = False
        self._closing = False
        self._connection: Connection | None = None
        self._number = 0
        self._opened_at: float | None = None
        self._reported: set[str] = set()

    def start(self) -> None:
        """Begin to connect; does not wait, and a broker that is not there is no error."""
        quieten()
        self._ioloop = IOLoop()
        self._is_running = True
        self._thread.start()

    def call(self, action: Callable[[], None]) -> bool:
        """Have the thread run `action` soon, once. False: there is no thread, it will not."""
        with self._lock:
            if not self._is_running:
                return False
            self._actions.append(action)
            self._ioloop.add_callback_threadsafe(self._act)
            return True

    def close(self, timeout: timedelta) -> None:
        """Let out what is under way for at most `timeout`, close, and end the thread."""
        if self.call(partial(self._begin_to_close, timeout)):
            self._thread.join((timeout + 2 * _LAST_RESORT).total_seconds())

    def redeclare(self, then: Callable[[], None]) -> None:
        """Declare everything once more after a pause, then call `then`.

        To be called in the connection's thread. The channel stays; should it go meanwhile, `then`
        may be called or not.
        """
        delay = self._retry.after(stood=self._stood(), lasting=False)
        action = partial(self._declare, self._connection, then)
        self._ioloop.call_later(delay.total_seconds(), action)

    def _run(self) -> None:
        self._ioloop.add_callback(self._connect)
        while self._is_running:
            try:
                self._ioloop.start()
            except Exception:  # noqa: BLE001  # the thread must outlive every bug
                self._log.exception("connection_broken")
                self._start_anew()
            else:
                self._end()

    def _end(self) -> None:
        with self._lock:
            self._is_running = False
        self._tenant.lost()
        self._act()
        self._ioloop.close()

    def _act(self) -> None:
        while self._actions:
            self._actions.popleft()()

    def _connect(self) -> None:
        if self._closing:
            self._ioloop.stop()
            return
        self._connection = SelectConnection(
            connection_parameters(self._settings, name=self._name),
            on_open_callback=self._connected,
            on_open_error_callback=self._disconnected,
            on_close_callback=self._disconnected,
            custom_ioloop=self._ioloop,
        )

    def _connected(self, connection: Connection) -> None:
        self._log.info("connected", host=self._settings.host, port=self._settings.port)
        connection.add_on_connection_blocked_callback(self._blocked)
        connection.add_on_connection_unblocked_callback(self._unblocked)
        self._declare(connection, partial(self._open_channel, connection))

    def _disconnected(self, connection: Connection, error: BaseException) -> None:
        if connection is not self._connection:
            return
        self._connection = None
        if self._closing:
            self._ioloop.stop()
        else:
            self._try_again(explain(error, self._settings), self._connect)

    def _declare(self, connection: Connection, then: Callable[[], None]) -> None:
        if not self._stands(connection):
            return

        def declared(problems: tuple[str, ...]) -> None:
            self._report(problems)
            then()

        later = partial(self._ioloop.call_later, _LOOK_AGAIN.total_seconds())
        Declaration(connection, self._tenant.topology(), declared, later).run()

    def _report(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        for problem in problems:
            tell = self._log.debug if problem in self._reported else self._log.warning
            tell("topology_problem", problem=problem)
        self._reported = set(problems)

    def _open_channel(self, connection: Connection) -> None:
        if self._stands(connection):
            connection.channel(on_open_callback=self._channel_opened)

    def _stands(self, connection: Connection) -> bool:
        """Whether this is our connection still: what was put off may come too late."""
        is_ours = connection is not None and connection is self._connection
        return is_ours and connection.is_open and not self._closing

    def _channel_opened(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._channel_closed)
        self._number += 1
        self._opened_at = time.monotonic()
        self.failure = None
        self._tenant.opened(channel, self._number)

    def _channel_closed(self, channel: Channel, error: Exception) -> None:
        self._tenant.lost()
        connection = channel.connection
        if self._stands(connection):
            again = partial(self._declare, connection, partial(self._open_channel, connection))
            self._try_again(explain(error, self._settings), again)

    def _try_again(self, failure: Failure, action: Callable[[], None]) -> None:
        delay = self._retry.after(stood=self._stood(), lasting=failure.lasting).total_seconds()
        tell = self._log.info if failure == self.failure else self._log.warning
        tell("no_connection", why=failure.words, retry_in=round(delay, 1))
        self.failure = failure
        self._opened_at = None
        self._ioloop.call_later(delay, action)

    def _stood(self) -> timedelta:
        if self._opened_at is None:
            return timedelta(0)
        return timedelta(seconds=time.monotonic() - self._opened_at)

    def _blocked(self, _connection: Connection, frame: object) -> None:
        reason = str(getattr(getattr(frame, "method", None), "reason", ""))
        self._log.warning("blocked_by_broker", reason=reason)
        self._tenant.blocked(reason)

    def _unblocked(self, _connection: Connection, _frame: object) -> None:
        self._log.info("unblocked_by_broker")
        self._tenant.blocked(None)

    def _begin_to_close(self, timeout: timedelta) -> None:
        self._closing = True
        self._ioloop.call_later(timeout.total_seconds(), self._abort)
        self._tenant.leave(self._close_connection)

    def _close_connection(self) -> None:
        connection = self._connection
        if connection is None:
            self._ioloop.stop()
        elif not (connection.is_closing or connection.is_closed):
            connection.close()

    def _abort(self) -> None:
        self._log.warning("connection_aborted", why="it did not close in time")
        self._ioloop.call_later(_LAST_RESORT.total_seconds(), self._ioloop.stop)
        if self._connection is not None:
            cut(self._connection)

    def _start_anew(self) -> None:
        """After an error that nobody foresaw: nothing of the old connection is trusted."""
        broken, self._connection = self._connection, None
        if broken is not None:
            with suppress(Exception):
                cut(broken)
        self._tenant.lost()
        failure = Failure(words="an error in the connection's own thread; see the log")
        self._try_again(failure, self._connect)
