"""What MLExchange front ends have sent over the years, and a site that takes it."""

import json
from typing import Any

import pytest

from bridge.core.errors import InvalidRequestError
from bridge.core.job import ArgumentList, Mount, Resources, ShellLine
from bridge.core.mlexchange import CatalogueTask, MlexchangeRules
from bridge.core.site import Runtime
from bridge.wire.mlexchange import Origin, Setting, Translated, translate

Message = dict[str, Any]


def problem_of(message: Message) -> tuple[str, str]:
    """Where in it the only thing is that is wrong with it, and what."""
    with pytest.raises(InvalidRequestError) as caught:
        bodies(message)
    (problem,) = caught.value.problems
    return problem.where, problem.what


def broker_task(**changes: object) -> Message:
    """As the front ends of 2021 sent it."""
    return {
        "docker_uri": "registry/image:tag",
        "job_type": "training",
        "docker_cmd": "python Deploy.py",
        "gpu": True,
        "kw_args": "/data/x/masks /data/x/images /data/x/models",
    } | changes


RANDOM_FOREST = """python random_forest.py data/masks '{"n_estimators": 30, "oob_score": true}'"""


def listed_job(**changes: object) -> Message:
    return {
        "mlex_app": "high-res-segmentation",
        "description": "test_1",
        "service_type": "backend",
        "working_directory": "/data/mlex_repo/mlex_tiled/data",
        "job_kwargs": {
            "uri": "mlexchange1/random-forest-dc:1.1",
            "type": "docker",
            "cmd": RANDOM_FOREST,
            "kwargs": {
                "job_type": "train",
                "experiment_id": "123",
                "dataset": "name_of_dataset",
                "params": '{"n_estimators": 30}',
            },
        },
    } | changes


def compute_jobs(*jobs: Message, **changes: object) -> Message:
    """As the compute API of 2022 to 2024 took it."""
    return {
        "user_uid": "high_res_user",
        "host_list": ["vaughan.als.lbl.gov"],
        "dependencies": {},
        "requirements": {"num_processors": 2, "num_gpus": 0, "num_nodes": 1},
        "job_list": list(jobs) or [listed_job()],
    } | changes


def step(**changes: object) -> Message:
    return {
        "image_name": "ghcr.io/mlexchange/mlex_dlsia_segmentation_prototype",
        "image_tag": "main",
        "command": "python src/train.py",
        "volumes": ["/host:/tiled_storage"],
        "network": "mle_net",
        "env_vars": {},
        "params": {
            "io_parameters": {
                "uid_retrieve": "",
                "uid_save": "abc",
                "data_tiled_uri": "http://...",
            },
            "model_parameters": {},
        },
    } | changes


def flow_steps(*steps: Message, **changes: object) -> Message:
    """As the workflows of 2024 and 2025 have it."""
    return {"flow_type": "podman", "params_list": list(steps) or [step()]} | changes


RULES = MlexchangeRules(
    hosts=("vaughan.als.lbl.gov", "vaughan"),
    images=(("segmentation", "/images/segmentation.sif"),),
    image_prefix="docker://",
    folders=(("/data/mlex_repo/public", "/public"), ("/data/mlex_repo", "/srv/mlex")),
    catalogue=(
        CatalogueTask(
            model="dlsia",
            task="train",
            image="/images/dlsia.sif",
            command=ShellLine(text="python src/train.py"),
            environment=(("OMP_NUM_THREADS", "4"),),
            mounts=(Mount(source="/srv/tiled", target="/tiled_storage", read_only=True),),
            resources=Resources(gpus=1, cpus_per_task=4),
            start_in="/app/work",
        ),
        CatalogueTask(
            model="dlsia",
            task="inference",
            image="/images/dlsia.sif",
            command=ArgumentList(arguments=("python", "src/segment.py")),
        ),
    ),
)
ALS = Setting(
    site="vaughan-als",
    runtime=Runtime.APPTAINER,
    mounts_files=True,
    partitions=("gpu", "cpu"),
    rules=RULES,
)


def translated(
    message: object, *, setting: Setting = ALS, origin: Origin | None = None
) -> tuple[Translated, ...]:
    return translate(message, origin or Origin(), setting)


def bodies(
    message: object, *, setting: Setting = ALS, origin: Origin | None = None
) -> list[Message]:
    """The messages of our own that are made of it."""
    return [json.loads(it.body) for it in translated(message, setting=setting, origin=origin)]


def body(message: object, *, setting: Setting = ALS, origin: Origin | None = None) -> Message:
    """The only one."""
    (found,) = bodies(message, setting=setting, origin=origin)
    return found


def notes(message: object, *, setting: Setting = ALS) -> list[str]:
    return [note for it in translated(message, setting=setting) for note in it.notes]
