"""Only run against the built wheel in a clean environment; see scripts/test."""

import importlib.metadata
import importlib.resources
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest
from testbed import CHECKOUT

import bridge


def test_the_source_tree_cannot_be_imported() -> None:
    assert not Path(bridge.__file__).is_relative_to(CHECKOUT / "bridge")


@pytest.mark.parametrize("folder", ["templates", "site_configs"])
def test_the_wheel_carries_every_file_of(folder: str) -> None:
    in_checkout = {
        str(path.relative_to(CHECKOUT / folder)): path.read_bytes()
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file()
    }
    packed = importlib.resources.files("bridge") / "data" / folder

    assert in_checkout
    assert {name: (packed / name).read_bytes() for name in in_checkout} == in_checkout


def test_the_wheel_says_that_it_is_typed_and_carries_its_licence() -> None:
    names = {str(path) for path in importlib.metadata.files("hpc-batch-bridge") or ()}

    assert "bridge/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_command_runs_from_the_wheel() -> None:
    command = Path(sysconfig.get_path("scripts")) / "hpc-bridge"

    run = subprocess.run(
        [command, "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": os.defpath},
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("Usage: hpc-bridge")
