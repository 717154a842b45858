"""The section of a site's file about MLExchange front ends."""

from datetime import timedelta
from pathlib import Path

import pytest
from unit.site_files import SMALLEST, load, mistakes

from bridge.core.job import ArgumentList, Mount, Resources, ShellLine
from bridge.core.mlexchange import CatalogueTask, MlexchangeRules

IN_FULL = """\
mlexchange:
  queues: [ml_tasks, ml.other]
  on_jobs_queue: true
  reply_queues: [results]
  hosts: [vaughan]
  image_prefix: docker://
  images: {'forest:1.1': /images/forest.sif}
  folders: {/data/mlex: /srv/mlex}
  mounts:
    - {source: /srv/mlex, target: /data}
  start_in: null
  catalogue:
    - model: dlsia
      task: train
      image: /images/dlsia.sif
      command: python src/train.py
      start_in: /app/work
      env: {A: b}
      secrets: {KEY: tiled}
      mounts:
        - {source: /srv/tiled, target: /tiled, read_only: false}
      resources: {gpus: 1, memory: 2G, walltime: 01:00:00}
    - {model: dlsia, task: inference, image: /images/dlsia.sif, command: [python, a.py]}
"""
TAKEN = SMALLEST.replace(
    "    - /images/*.sif\n",
    """\
    - /images/*.sif
  bind_roots:
    - {path: /srv/mlex}
    - {path: /srv/tiled, read_only: false}
secrets:
  tiled: {file: /etc/tiled, users: [ada]}
""",
)


def test_without_the_section_nothing_of_theirs_is_understood(tmp_path: Path) -> None:
    settings = load(tmp_path, SMALLEST)
    assert settings.mlexchange is None
    assert settings.site.reply_queues == ()


def test_an_empty_section_is_enough(tmp_path: Path) -> None:
    settings = load(tmp_path, SMALLEST + "mlexchange: {}\n")
    assert settings.mlexchange == MlexchangeRules(start_in="/app/work")
    assert settings.site.reply_queues == ("results", "amq.gen-*", "amq.rabbitmq.reply-to.*")


def test_everything_in_the_section_arrives(tmp_path: Path) -> None:
    settings = load(tmp_path, TAKEN + IN_FULL)
    assert settings.site.reply_queues == ("results",)
    assert settings.mlexchange == MlexchangeRules(
        queues=("ml_tasks", "ml.other"),
        on_jobs_queue=True,
        hosts=("vaughan",),
        image_prefix="docker://",
        images=(("forest:1.1", "/images/forest.sif"),),
        folders=(("/data/mlex", "/srv/mlex"),),
        mounts=(Mount(source="/srv/mlex", target="/data", read_only=True),),
        start_in=None,
        catalogue=(
            CatalogueTask(
                model="dlsia",
                task="train",
                image="/images/dlsia.sif",
                command=ShellLine(text="python src/train.py"),
                start_in="/app/work",
                environment=(("A", "b"),),
                secrets=(("KEY", "tiled"),),
                mounts=(Mount(source="/srv/tiled", target="/tiled", read_only=False),),
                resources=Resources(gpus=1, memory_mib=2048, walltime=timedelta(hours=1)),
            ),
            CatalogueTask(
                model="dlsia",
                task="inference",
                image="/images/dlsia.sif",
                command=ArgumentList(arguments=("python", "a.py")),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        (
            "image: /images/dlsia.sif\n",
            "image: other\n",
            "mlexchange.catalogue.0: its jobs would be rejected: image: 'other' may not run",
        ),
        (
            "source: /srv/tiled",
            "source: /etc",
            "catalogue.0: its jobs would be rejected: mounts.1.source: '/etc' may not be mounted",
        ),
        (
            "KEY: tiled",
            "KEY: other",
            "mlexchange.catalogue.0: no secret here is called other",
        ),
        ("task: inference", "task: train", "mlexchange.catalogue.1: dlsia train stands here twice"),
        ("start_in: /app/work", "start_in: a", "mlexchange.catalogue.0.start_in: an absolute path"),
        ("ml.other", "'ml tasks'", "mlexchange.queues.1: letters, digits and _ . : - are"),
        ("command: [python, a.py]", "command: []", "mlexchange.catalogue.1.command"),
    ],
)
def test_what_cannot_be_is_told(was: str, becomes: str, told: str, tmp_path: Path) -> None:
    assert was in IN_FULL
    found = mistakes(tmp_path, TAKEN + IN_FULL.replace(was, becomes))
    assert any(told in it for it in found), found


def test_who_may_run_jobs_says_nothing_against_a_catalogue(tmp_path: Path) -> None:
    assert load(tmp_path, f"{TAKEN}{IN_FULL}users: [ada]\n").mlexchange is not None
