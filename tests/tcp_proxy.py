"""A TCP proxy on loopback that can cut, stall, delay, forge and speak TLS."""

import asyncio
import ssl
import threading
from collections.abc import Coroutine
from typing import Any, Self

_CHUNK = 65536


class _Flow:
    """One direction of one proxied connection."""

    def __init__(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self.source = source
        self.sink = sink
        self.moves = asyncio.Event()
        self.moves.set()
        self.chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()


class TcpProxy:
    """Forwards to a port of this machine."""

    def __init__(
        self, target_port: int, *, delay: float = 0.0, tls: ssl.SSLContext | None = None
    ) -> None:
        """`delay` in seconds is added in each direction: a round trip takes twice as much.

        With `tls`, clients are to speak TLS; the server is not.
        """
        self.port = 0
        """Where it listens, once started."""
        self.accepted = 0
        """How many connections were taken and forwarded."""
        self._target_port = target_port
        self._delay = delay
        self._tls = tls
        self._is_cut = False
        self._holds_requests = False
        self._released = asyncio.Event()
        self._drops_replies = False
        self._flows: list[tuple[_Flow, _Flow]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="tcp proxy", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._do(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def cut(self) -> None:
        """Reset every connection, and every new one until `mend`."""
        self._do(self._cut())

    def mend(self) -> None:
        """Let new connections through again."""
        self._is_cut = self._drops_replies = self._holds_requests = False

    def drop_replies(self) -> None:
        """Let requests through, and reset each connection when its reply comes, until `mend`."""
        self._drops_replies = True

    def hold_requests(self) -> None:
        """Take new connections and keep what they say, until `let_go`; `mend` frees later ones."""
        self._holds_requests = True

    def let_go(self) -> None:
        """Let through whatever is held, also from clients that have given up."""
        self._do(self._let_go())

    def stall(self) -> None:
        """Keep the connections of now, but let nothing through any more; new ones work."""
        self._do(self._stall())

    def forge(self, data: bytes) -> None:
        """Send bytes to the clients as if the server had sent them."""
        self._do(self._forge(data))

    def _do(self, action: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(action, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        if self._holds_requests:
            # Without a connection of its own: the server would not wait for what comes so late.
            await self._released.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self.accepted += 1
        flows = _Flow(reader, far_writer), _Flow(far_reader, writer)
        self._flows.append(flows)
        for flow in flows:
            self._spawn(self._receive(flow))
            self._spawn(self._send(flow))

    def _spawn(self, action: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(action)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receive(self, flow: _Flow) -> None:
        data = b"-"
        while data:
            try:
                data = await flow.source.read(_CHUNK)
            except OSError:
                data = b""
            await flow.chunks.put((self._loop.time() + self._delay, data))

    async def _send(self, flow: _Flow) -> None:
        while True:
            due, data = await flow.chunks.get()
            await flow.moves.wait()
            await asyncio.sleep(due - self._loop.time())
            if self._drops_replies and any(flow is reply for _, reply in self._flows):
                flow.sink.transport.abort()
                return
            if not data:
                flow.sink.close()
                return
            try:
                flow.sink.write(data)
                await flow.sink.drain()
            except OSError:
                return

    async def _cut(self) -> None:
        self._is_cut = True
        for flow in (it for pair in self._flows for it in pair):
            if not flow.sink.is_closing():
                flow.sink.transport.abort()
        self._flows.clear()

    async def _stall(self) -> None:
        for flow in (it for pair in self._flows for it in pair):
            flow.moves.clear()

    async def _let_go(self) -> None:
        self._released.set()

    async def _forge(self, data: bytes) -> None:
        for _, towards_client in self._flows:
            if not towards_client.sink.is_closing():
                towards_client.sink.write(data)

    async def _close(self) -> None:
        self._server.close()
        self._released.set()
        await asyncio.sleep(0)
        await self._cut()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
