"""The whole testbed: all parts in the order they start, brought up and taken down."""

import shutil
from dataclasses import replace

from . import accounting, files, machine, slurm
from .console import SetupFailed, UsageError, progress
from .layout import ALICE, CACHE, Layout, Options
from .mariadb import MariaDb
from .munge import Munge
from .part import Part
from .postgresql import PostgreSql
from .rabbitmq import RabbitMq
from .slurm import Slurmctld, Slurmd, SlurmDbd, SlurmPart
from .sshd import Sshd


class Site:
    """The parts of one testbed."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.slurmctld = Slurmctld(layout)
        self.slurmdbd = SlurmDbd(layout)
        self.nodes = [Slurmd(layout, name, self.slurmctld) for name in layout.node_names]

    @property
    def parts(self) -> list[Part]:
        """All parts, in the order they start."""
        storage: list[Part] = []
        if self.layout.options.accounting:
            storage = [MariaDb(self.layout), self.slurmdbd]
        first: list[Part] = [RabbitMq(self.layout), Munge(self.layout)]
        if self.layout.options.postgresql:
            storage.append(PostgreSql(self.layout))
        return [*first, *storage, self.slurmctld, *self.nodes, Sshd(self.layout)]

    def part(self, name: str) -> Part:
        """The part of that name; UsageError names the parts there are."""
        for part in self.parts:
            if part.name == name:
                return part
        names = ", ".join(part.name for part in self.parts)
        raise UsageError(f"this testbed has no part {name!r}; its parts are {names}")

    def up(self) -> None:
        """Bring everything up that is not up yet; what runs from older settings is restarted."""
        self._make_folders()
        slurm.write_configuration(self.layout, machine.build_stand_ins(self.layout))
        for part in self.parts:
            self._bring_up(part)
        for part in self.parts:
            part.wait_until_ready()
        progress("everything is up")

    def _make_folders(self) -> None:
        layout = self.layout
        for path in (layout.root / "log", layout.bin, layout.lib):
            files.folder(path)
        files.folder(layout.root / "pids", mode=0o700)
        files.folder(layout.root / "secrets", mode=0o711)
        files.folder(layout.work, owner=ALICE)
        files.link(layout.images, CACHE)

    def _bring_up(self, part: Part) -> None:
        if isinstance(part, SlurmPart):
            self._wait_for_what_slurm_needs()
        if part is self.slurmctld and self.layout.options.accounting:
            self.slurmdbd.wait_until_ready()
            accounting.settle(self.slurmdbd)
        part.prepare()
        if part.alive and part.is_current():
            return
        if part.processes:
            progress(f"{part.name}: stopping, its settings have changed")
            part.stop()
        progress(f"{part.name}: starting")
        part.launch()

    def _wait_for_what_slurm_needs(self) -> None:
        for part in self.parts:
            if isinstance(part, Munge | MariaDb):
                part.wait_until_ready()

    def make_way_for(self, options: Options) -> None:
        """Stop the parts that a testbed with these options does not have."""
        if options.accounting != self.layout.options.accounting and self.slurmctld.processes:
            # It changes to another state folder: no job may be left behind in this one.
            self._cancel_jobs()
            self.slurmctld.stop()
        wanted = {part.name for part in Site(replace(self.layout, options=options)).parts}
        for part in reversed(self.parts):
            if part.name not in wanted and part.processes:
                progress(f"{part.name}: stopping, it is no longer wanted")
                part.stop()

    def _cancel_jobs(self) -> None:
        if self.slurmctld.alive and self.slurmctld.probe() is None:
            progress("jobs: cancelling")
            self.slurmctld.cancel_everything(seconds=10)

    def down(self) -> None:
        """Stop every part; jobs that still run are cancelled first."""
        self._cancel_jobs()
        for node in self.nodes:
            node.stop()
            node.kill_jobs()
        for part in reversed(self.parts):
            if part.processes:
                progress(f"{part.name}: stopping")
                part.stop()
        progress("everything is down")

    def purge(self) -> None:
        """Remove the state folder of a testbed that is down."""
        if any(part.processes for part in self.parts):
            raise SetupFailed("some parts still run", hint="see `testbed status`")
        shutil.rmtree(self.layout.root)
        progress(f"removed {self.layout.root}")
