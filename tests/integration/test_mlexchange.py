"""Messages of MLExchange front ends, on real parts: what they sent over the years, unchanged."""

import json
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from site_bridge import PATIENCE, Configuration, OpenBridge, SiteBridge
from testbed import CHECKOUT, Testbed

from bridge.adapters.rabbitmq.parameters import connection_parameters

Reply = dict[str, object]
TERMINAL = {"finished", "failed", "cancelled"}
INFER = """\
import runpy, sys, yaml
io = yaml.safe_load(open(sys.argv[1]))["io_parameters"]
sys.argv = ["classify.py", f"/results/{io['uid_retrieve']}/artifacts"]
runpy.run_path("/code/classify.py", run_name="__main__")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEnd:
    """As in 2021: it knows two durable queues, and AMQP."""

    channel: BlockingChannel
    tasks: str
    results: str
    replies: list[tuple[str, Reply]] = field(default_factory=list)
    """With their correlation ids, in the order in which they came."""

    def send(self, message: Mapping[str, object], *, reply_to: str | None = None) -> str:
        """Send a message and want a reply; its correlation id."""
        run = str(uuid4())
        properties = pika.BasicProperties(
            correlation_id=run, reply_to=reply_to or self.results, delivery_mode=2
        )
        self.channel.basic_publish("", self.tasks, json.dumps(message).encode(), properties)
        return run

    def reply(self, run: str) -> Reply:
        """Wait for the reply to a message."""
        ends = time.monotonic() + PATIENCE.total_seconds()
        while not (found := [said for of, said in self.replies if of == run]):
            assert time.monotonic() < ends, f"no reply to {run}"
            method, properties, body = self.channel.basic_get(self.results, auto_ack=True)
            if method is None:
                time.sleep(0.05)
                continue
            self.replies.append((properties.correlation_id, json.loads(body)))
        (reply,) = found
        return reply


@contextmanager
def front_end_of(bridge: SiteBridge) -> Iterator[FrontEnd]:
    parameters = connection_parameters(bridge.settings.broker, name="front end")
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    front_end = FrontEnd(
        channel=channel, tasks=f"{bridge.name}.ml_tasks", results=f"{bridge.name}.results"
    )
    for queue in (front_end.tasks, front_end.results):
        channel.queue_declare(queue, durable=True)
    try:
        yield front_end
    finally:
        connection.close()


@pytest.fixture
def understanding(open_bridge: OpenBridge, testbed: Testbed) -> Callable[..., SiteBridge]:
    """Opens a bridge that takes their messages; its section may be changed."""

    def open_one(**changes: object) -> SiteBridge:
        def configure(configuration: Configuration) -> None:
            name, folder = configuration["site"]["name"], configuration["work_root"]
            configuration["containers"]["bind_roots"] += [
                {"path": f"{folder}/data", "read_only": False},
                {"path": folder},
            ]
            configuration["mlexchange"] = {
                "queues": [f"{name}.ml_tasks"],
                "reply_queues": [f"{name}.*"],
                "hosts": ["vaughan.als.lbl.gov"],
                "images": {
                    "registry/busybox:1": f"{testbed.images}/busybox.sif",
                    "mlexchange1/digits:1": f"{testbed.images}/sklearn.sif",
                },
                "folders": {"/data/mlex": f"{folder}/data", "/results": folder},
            } | changes

        return open_bridge(configure)

    return open_one


def folder_with(bridge: SiteBridge, testbed: Testbed, **texts: str) -> Path:
    """The front end's data, with the digits' programs."""
    folder = bridge.folder / "data"
    folder.mkdir()
    digits = CHECKOUT / "examples" / "digits"
    for program in (
        digits / "train.py",
        digits / "classify.py",
        CHECKOUT / "bridge" / "progress.py",
    ):
        shutil.copyfile(program, folder / program.name)
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, testbed.user)
    return folder


def jobs_of(bridge: SiteBridge, run: str, count: int) -> list[str]:
    """The ids of the jobs that came of a message, once they are all accepted."""

    def found() -> dict[str, str]:
        events = [it.data for it in bridge.everything() if it.data.event == "accepted"]
        labels = [(it.job_id, it.job.labels) for it in events if it.job is not None]
        return {
            told["mlexchange.step"]: str(job_id)
            for job_id, told in labels
            if told.get("mlexchange.correlation_id") == run
        }

    bridge.wait_until(lambda: len(found()) == count, f"{count} jobs of {run} are accepted")
    return [job_id for _, job_id in sorted(found().items())]


def test_a_task_of_2021_runs_and_its_reply_comes_with_its_logs(
    understanding: Callable[..., SiteBridge],
) -> None:
    bridge = understanding(start_in=None)
    task = {
        "docker_uri": "registry/busybox:1",
        "job_type": "training",
        "docker_cmd": "printf '<%s>\\n'",
        "gpu": False,
        "kw_args": """'{"a": "it'"'"'s $HOME"}' /data/x/masks""",
    }
    with front_end_of(bridge) as front_end:
        run = front_end.send(task)
        assert front_end.reply(run) == {
            "job_type": "training",
            "job_status": "complete",
            "logs": """<{"a": "it's $HOME"}>\n</data/x/masks>""",
            "job_id": run,
            "reason": None,
        }
        bridge.wait_for(run, {"finished"})
        failing = front_end.send(task | {"docker_cmd": "echo no; exit 3 #", "job_type": "deploy"})
        reply = front_end.reply(failing)
        assert (reply["job_type"], reply["job_status"]) == ("deploy", "failed")
        assert (reply["logs"], reply["reason"]) == ("no", "it exited with 3")
        refused = front_end.reply(front_end.send(task | {"docker_uri": "elsewhere"}))
        assert refused["job_status"] == "failed"
        assert "docker_uri: 'elsewhere' may not run" in str(refused["reason"])


def test_a_reply_whose_queue_is_gone_keeps_no_event_back(
    understanding: Callable[..., SiteBridge],
) -> None:
    bridge = understanding(start_in=None)
    task = {"docker_uri": "registry/busybox:1", "job_type": "training", "docker_cmd": "true"}
    with front_end_of(bridge) as front_end:
        gone = front_end.send(task, reply_to=f"{bridge.name}.gone")
        bridge.wait_for(gone, {"finished"})
        assert front_end.reply(front_end.send(task))["job_status"] == "complete"
    bridge.wait_until(lambda: "reply_unroutable" in bridge.logged(), "the lost reply is warned of")


def test_digits_are_learned_and_read_by_a_chain_of_the_compute_api(
    understanding: Callable[..., SiteBridge], testbed: Testbed
) -> None:
    bridge = understanding()
    folder = folder_with(bridge, testbed)
    params = {"held_out": 0.5, "seed": 7, "hidden_layers": [8], "learning_rate": 0.01, "epochs": 3}

    def job(command: str, job_type: str) -> dict[str, object]:
        return {
            "mlex_app": "digits",
            "description": "test_1",
            "service_type": "backend",
            "working_directory": "/data/mlex",
            "job_kwargs": {
                "uri": "mlexchange1/digits:1",
                "type": "docker",
                "cmd": command,
                "map": {"8888/tcp": 8888},
                "kwargs": {"job_type": job_type, "params": json.dumps(params)},
            },
        }

    train = f"python data/train.py {shlex.quote(json.dumps(params))} && mkdir data/model && cp"
    message = {
        "user_uid": "high_res_user",
        "host_list": ["vaughan.als.lbl.gov"],
        "dependencies": {"0": [], "1": [0]},
        "requirements": {"num_processors": 1, "num_gpus": 0, "num_nodes": 1, "timeout": 2.5},
        "job_list": [
            job(f'{train} "$BRIDGE_ARTIFACTS"/model.pickle data/model/', "train"),
            job("python data/classify.py data/model", "inference"),
        ],
    }
    with front_end_of(bridge) as front_end:
        run = front_end.send(message)
        reply = front_end.reply(run)
    assert (reply["job_status"], reply["reason"]) == ("complete", None), reply["logs"]
    assert (folder / "model" / "model.pickle").exists()
    first, second = jobs_of(bridge, run, 2)
    assert reply["job_id"] == second
    assert "held-out images classified rightly" in str(reply["logs"])
    for job_id in (first, second):
        bridge.wait_for(job_id, {"finished"})
    (accepted, waiting) = bridge.events(second)[:2]
    assert "job_kwargs.map: no ports are mapped" in str(accepted.data.notes)
    assert waiting.data.waits_for == [first]


def test_a_first_step_that_fails_ends_the_others_and_the_front_end_is_told(
    understanding: Callable[..., SiteBridge],
) -> None:
    bridge = understanding(start_in=None, on_jobs_queue=True)
    step = {"image_name": "registry/busybox", "image_tag": "1", "command": "exit 3 #", "params": {}}
    with front_end_of(bridge) as front_end:
        run = front_end.send({"flow_type": "podman", "params_list": [step, step]})
        reply = front_end.reply(run)
    first, second = jobs_of(bridge, run, 2)
    assert reply["job_status"] == "failed"
    assert reply["reason"] == f"it waited for the job {first}, which has failed"
    bridge.wait_for(second, {"failed"})
    assert bridge.last(second).data.slurm_id is None
    # The site's own queue takes them too; there nobody waits for a reply.
    bridge.send(json.dumps({"flow_type": "podman", "params_list": [step]}).encode(), "a message")
    told = bridge.everything
    bridge.wait_until(
        lambda: sum(it.data.event == "accepted" for it in told()) == 3, "a third job is accepted"
    )


def test_digits_are_learned_and_read_by_a_chain_of_a_workflow(
    understanding: Callable[..., SiteBridge], testbed: Testbed, user_folder: Path
) -> None:
    catalogue = [
        {
            "model": "digits",
            "task": "train",
            "image": f"{testbed.images}/sklearn.sif",
            "command": ["python", "/code/train.py"],
            "mounts": [{"source": f"{user_folder}/data", "target": "/code"}],
        }
    ]
    bridge = understanding(catalogue=catalogue)
    folder_with(bridge, testbed, infer=INFER)
    params = {"held_out": 0.5, "seed": 7, "hidden_layers": [8], "learning_rate": 0.01, "epochs": 3}
    io = {"uid_retrieve": "", "uid_save": "abc", "data_tiled_uri": "http://localhost"}
    message = {
        "flow_type": "podman",
        "params_list": [
            {"model_name": "digits", "task_name": "train", "params": params},
            {
                "image_name": "mlexchange1/digits",
                "image_tag": "1",
                "command": "python /code/infer.py",
                "volumes": ["/data/mlex:/code:ro", "/results:/results:ro"],
                "network": "mle_net",
                "env_vars": {"OMP_NUM_THREADS": 1},
                "params": {"io_parameters": io, "model_parameters": {}},
            },
        ],
    }
    with front_end_of(bridge) as front_end:
        run = front_end.send(message)
        reply = front_end.reply(run)
    assert (reply["job_status"], reply["reason"]) == ("complete", None), reply["logs"]
    first, second = jobs_of(bridge, run, 2)
    assert "held-out images classified rightly" in str(reply["logs"])
    kept = bridge.as_user("cat", f"{bridge.folder}/{second}/params.yaml")
    assert f"uid_retrieve: {first}" in kept
