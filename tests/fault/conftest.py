"""A testbed that is whole again after every test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from rabbitmq_management import until
from slurm_nodes import as_root, bring_nodes_back
from testbed import Testbed


@pytest.fixture
def back_after(testbed: Testbed) -> Iterator[Callable[[str], None]]:
    """Names a part of the testbed that is to run again when the test is over."""
    with ExitStack() as stack:

        def promise(part: str) -> None:
            stack.callback(testbed.start, part)

        yield promise


@pytest.fixture
def slurm_as_it_was(testbed: Testbed, user_folder: Path) -> Iterator[None]:
    """No jobs, and both nodes at work, before and after the test, while its folder is there."""
    _tidy(testbed)
    yield
    assert user_folder.exists()
    _tidy(testbed)


def _tidy(testbed: Testbed) -> None:
    as_root(testbed, "scancel", f"--user={testbed.user}")
    mine = ("squeue", "-h", f"--user={testbed.user}")
    assert until(lambda: not as_root(testbed, *mine))
    bring_nodes_back(testbed)
