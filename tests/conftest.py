"""What holds for all tests: the testbed, which tests need it, and what a run says of itself."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from postgresql_databases import SERVER
from rabbitmq_management import Management
from site_bridge import Configuration, OpenBridge, SiteBridge
from testbed import CHECKOUT, MARK, Testbed

import bridge

NEED_THE_TESTBED = ("integration", "fault", "security", "browser")
INSTALLED_IN = os.environ.get("BRIDGE_TEST_INSTALLED_IN")
"""The environment that `bridge` must come from; set by scripts/test when it tests the wheel."""

collect_ignore = [] if INSTALLED_IN else ["wheel"]


@pytest.fixture(scope="session")
def testbed() -> Testbed:
    """The running testbed; tests that ask for it carry the mark `testbed`."""
    return Testbed.from_environment()


@pytest.fixture
def user_folder(testbed: Testbed) -> Iterator[Path]:
    """A new folder under the work root that belongs to the ordinary user."""
    folder = Path(tempfile.mkdtemp(prefix="test-", dir=testbed.work_root))
    shutil.chown(folder, testbed.user)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def open_bridge(testbed: Testbed, user_folder: Path) -> Iterator[OpenBridge]:
    """Opens a bridge with a site of its own; what is left of it at the broker goes in the end."""
    with ExitStack() as stack:

        def open_one(
            configure: Callable[[Configuration], None] = lambda _: None,
            *,
            base: str = "testbed.yaml",
            folder: Path = user_folder,
        ) -> SiteBridge:
            opened = SiteBridge(testbed, folder, configure=configure, base=base)
            stack.callback(Management(testbed.broker).delete_namespace, opened.name)
            stack.callback(opened.close)
            opened.open()
            return opened

        yield open_one


@pytest.fixture
def site_bridge(open_bridge: OpenBridge) -> SiteBridge:
    """A running bridge, as testbed.yaml has it."""
    return open_bridge()


def pytest_sessionstart() -> None:
    if INSTALLED_IN and not Path(bridge.__file__).is_relative_to(INSTALLED_IN):
        message = f"bridge comes from {bridge.__file__}, not from the wheel in {INSTALLED_IN}"
        raise pytest.UsageError(message)


def pytest_itemcollected(item: pytest.Item) -> None:
    places = (CHECKOUT / "tests" / name for name in NEED_THE_TESTBED)
    if any(item.path.is_relative_to(place) for place in places):
        item.add_marker("testbed")
    if "testbed" in getattr(item, "fixturenames", ()) or item.get_closest_marker("postgresql"):
        item.add_marker("testbed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "soak" in config.option.markexpr:
        return
    soaks = [item for item in items if item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=soaks)
    items[:] = [item for item in items if item not in soaks]


def pytest_collection_finish(session: pytest.Session) -> None:
    if answer := os.environ.get("BRIDGE_TEST_NEEDS_FILE"):
        needs = [
            word
            for word in ("testbed", "browser", "postgresql")
            if any(item.get_closest_marker(word) for item in session.items)
        ]
        Path(answer).write_text(" ".join(needs), encoding="utf-8")


def _what_is_missing(item: pytest.Item) -> str | None:
    """What a test needs and there is not."""
    if item.get_closest_marker("testbed") and MARK not in os.environ:
        return "no testbed"
    if item.get_closest_marker("postgresql") and SERVER not in os.environ:
        return "a testbed without PostgreSQL (scripts/testbed up --postgresql)"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if (missing := _what_is_missing(item)) is None:
        return
    reason = f'{missing}: run through scripts/test, or `eval "$(scripts/testbed env)"` first'
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Leaves the counts for scripts/test, which adds up several runs."""
    if not (tally := os.environ.get("BRIDGE_TEST_TALLY")):
        return
    counts = {kind: len(reports) for kind, reports in terminalreporter.stats.items()}
    passed = counts.get("passed", 0) + counts.get("xfailed", 0)
    failed = counts.get("failed", 0) + counts.get("error", 0)
    with Path(tally).open("a", encoding="utf-8") as lines:
        lines.write(f"{passed} {failed} {counts.get('skipped', 0)}\n")
