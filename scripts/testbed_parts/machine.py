"""What all testbeds of one machine share: packages, accounts, container runtimes and images."""

from . import packages, slurm, users
from .console import UsageError, progress
from .containers import images, install, shifter, stand_ins
from .layout import CACHE, Layout, Options
from .slurm_config import can_limit_rates


def prepare(options: Options) -> None:
    """Install and make what is missing; quick when nothing is."""
    with packages.nothing_starts_at_boot():
        packages.install(options)
        install.install_runtimes(progress)
    _check(options)
    users.settle()
    images.build_images(CACHE, progress)


def build_stand_ins(layout: Layout) -> str:
    """Install the stand-ins for runtimes that Debian lacks; returns the line for plugstack.conf."""
    stand_ins.install(layout.bin, layout.lib, layout.root)
    return shifter.build(layout.bin, layout.lib, layout.root, progress)


def _check(options: Options) -> None:
    year, month = version = slurm.installed_version()
    if options.rate_limit and not can_limit_rates(version):
        raise UsageError(
            f"--rate-limit: Slurm {year}.{month:02d} is installed here,"
            " and rate limits came with 23.02"
        )
