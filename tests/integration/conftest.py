"""A bridge of one's own on the testbed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from rabbitmq_management import Management
from site_bridge import Configuration, SiteBridge
from testbed import Testbed

OpenBridge = Callable[..., SiteBridge]


@pytest.fixture
def open_bridge(testbed: Testbed, user_folder: Path) -> Iterator[OpenBridge]:
    """Opens a bridge with a site of its own; what is left of it at the broker goes in the end."""
    with ExitStack() as stack:

        def open_one(
            configure: Callable[[Configuration], None] = lambda _: None,
            *,
            base: str = "testbed.yaml",
        ) -> SiteBridge:
            opened = SiteBridge(testbed, user_folder, configure=configure, base=base)
            stack.callback(Management(testbed.broker).delete_namespace, opened.name)
            stack.callback(opened.close)
            opened.open()
            return opened

        yield open_one


@pytest.fixture
def site_bridge(open_bridge: OpenBridge) -> SiteBridge:
    """A running bridge, as testbed.yaml has it."""
    return open_bridge()
