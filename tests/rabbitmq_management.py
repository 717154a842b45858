"""What tests see of RabbitMQ through its management interface, and do to it."""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from testbed import Broker

from bridge.core.settings import BrokerSettings

_NOT_FOUND = 404


class Management:
    """The HTTP interface of the management plugin, for the testbed's virtual host."""

    def __init__(self, broker: Broker) -> None:
        self._root = f"{broker.management_url}/api"
        self._vhost = quote(broker.vhost, safe="")
        credentials = f"{broker.management_user}:{broker.management_password}"
        token = base64.b64encode(credentials.encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        # No proxy: the address is this machine's own.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def connections(self, name: str) -> list[str]:
        """The broker's names of the connections that call themselves so."""
        return [
            it["name"]
            for it in self._ask("GET", "connections")
            if it.get("client_properties", {}).get("connection_name") == name
        ]

    def heartbeats(self, name: str) -> list[int]:
        """The heartbeat timeouts agreed with those connections, in seconds."""
        return [
            it["timeout"]
            for it in self._ask("GET", "connections")
            if it.get("client_properties", {}).get("connection_name") == name
        ]

    def close_connections(self, name: str) -> int:
        """Have the broker close the connections that call themselves so; how many there were."""
        found = self.connections(name)
        for it in found:
            self._ask("DELETE", f"connections/{quote(it, safe='')}")
        return len(found)

    def queue(self, queue: str) -> dict[str, Any]:
        """All that the broker tells of a queue; empty when there is none."""
        answer: dict[str, Any] = self._ask("GET", f"queues/{self._vhost}/{queue}")
        return answer

    def get(self, queue: str) -> list[bytes]:
        """Take what a queue holds, up to 100 messages."""
        return [base64.b64decode(it["payload"]) for it in self.get_with_properties(queue)]

    def get_with_properties(self, queue: str) -> list[dict[str, Any]]:
        """The same, as the broker tells it; payloads are in base64."""
        request = {"count": 100, "ackmode": "ack_requeue_false", "encoding": "base64"}
        answer: list[dict[str, Any]] = self._ask(
            "POST", f"queues/{self._vhost}/{queue}/get", request
        )
        return answer

    def declare_classic_queue(self, queue: str) -> None:
        """A durable queue of the kind that we do not use."""
        self._ask("PUT", f"queues/{self._vhost}/{queue}", {"durable": True})

    def delete_queue(self, queue: str) -> None:
        """As an administrator would."""
        self._ask("DELETE", f"queues/{self._vhost}/{queue}")

    def purge_queue(self, queue: str) -> None:
        """Throw away what waits in it."""
        self._ask("DELETE", f"queues/{self._vhost}/{queue}/contents")

    def delete_namespace(self, namespace: str) -> None:
        """Every queue and exchange whose name begins so."""
        for kind, name in self.of_namespace(namespace):
            self._ask("DELETE", f"{kind}/{self._vhost}/{quote(name, safe='')}")

    def of_namespace(self, namespace: str) -> list[tuple[str, str]]:
        """Every queue and exchange whose name begins so: "queues" or "exchanges", and its name."""
        return [
            (kind, it["name"])
            for kind in ("queues", "exchanges")
            for it in self._ask("GET", f"{kind}/{self._vhost}")
            if it["name"].startswith(f"{namespace}.")
        ]

    @contextmanager
    def user(self, name: str, password: str, **permissions: str) -> Iterator[None]:
        """A user for a while, with patterns for configure, write and read."""
        self._ask("PUT", f"users/{name}", {"password": password, "tags": ""})
        try:
            self._ask("PUT", f"permissions/{self._vhost}/{name}", permissions)
            yield
        finally:
            self._ask("DELETE", f"users/{name}")

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  # the testbed's own address
            f"{self._root}/{path}",
            method=method,
            headers=self._headers,
            data=None if content is None else json.dumps(content).encode(),
        )
        try:
            with self._opener.open(request, timeout=60) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                if error.code == _NOT_FOUND:
                    return {}
                raise
        return json.loads(body) if body else {}


@contextmanager
def own_namespace(broker: Broker) -> Iterator[BrokerSettings]:
    """Settings for exchanges and queues that nobody else uses; they are deleted afterwards."""
    settings = BrokerSettings(
        host=broker.host,
        port=broker.port,
        virtual_host=broker.vhost,
        user=broker.user,
        password=broker.password,
        namespace=f"test-{uuid4().hex[:12]}",
    )
    yield settings
    Management(broker).delete_namespace(settings.namespace)


def until(holds: Callable[[], object], *, within: timedelta = timedelta(seconds=60)) -> bool:
    """Whether it holds, by then at the latest."""
    deadline = time.monotonic() + within.total_seconds()
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
