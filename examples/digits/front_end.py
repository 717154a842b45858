"""Play the front end: train on the digits at a site, then classify with what was trained.

    python front_end.py SITE.yaml CODE_FOLDER IMAGE

CODE_FOLDER (with train.py, classify.py and progress.py) and IMAGE are paths on the site; SITE.yaml
says where the broker is, and where the jobs' folders lie, for a look at what they left.
"""

import json
import os
import sys
import uuid
from pathlib import Path

from bridge.client import Follower, Submitter
from bridge.core.settings import SiteSettings
from bridge.sites import load_site
from bridge.wire.event import EventData


def training(code: str, image: str) -> dict[str, object]:
    return {
        "name": "digits training",
        "kind": "training",
        "image": image,
        "command": ["python3", "/mnt/train.py"],
        "params": {
            "epochs": 25,
            "hidden_layers": [64],
            "learning_rate": 0.005,
            "held_out": 0.25,
            "seed": 7,
        },
        "mounts": [{"source": code, "target": "/mnt", "read_only": True}],
        "resources": {"cpus_per_task": 1, "memory": "2G", "walltime": "00:10:00"},
    }


def deployment(code: str, image: str, model: str) -> dict[str, object]:
    return {
        "name": "digits deployment",
        "kind": "deployment",
        "image": image,
        "command": ["python3", "/mnt/classify.py", "/data"],
        "mounts": [
            {"source": code, "target": "/mnt", "read_only": True},
            {"source": model, "target": "/data", "read_only": True},
        ],
        "resources": {"memory": "2G", "walltime": "00:10:00"},
    }


def run(settings: SiteSettings, job: dict[str, object]) -> Path:
    """Run the job to its end, showing its events; the folder with what it left."""
    job_id, site = str(uuid.uuid4()), settings.site.name
    message = json.dumps({"version": 1, "job_id": job_id, **job}).encode()
    with Follower(settings.broker, site=site) as follower, Submitter(settings.broker) as submitter:
        follower.wait_until_listening()
        submitter.submit(site, message, job_id=job_id)
        last = None
        for event in follower.job(job_id):
            last = event.data
            told = f"{last.event:<9} {last.slurm_id or '-':>6}  {last.nodes or '-':<4}"
            print(f"   {event.time:%H:%M:%S}  {told}  {_outcome(last)}", flush=True)
    folder = Path(settings.site.work_root) / job_id
    if last is None or last.event != "finished":
        sys.exit(f"the job did not finish; what it wrote lies in {folder}")
    return folder


def _outcome(data: EventData) -> str:
    if data.progress is not None and data.progress.points:
        point = data.progress.points[-1]
        return f"epoch {point.step} of {point.total}, loss {point.metrics['loss']:.4f}"
    return "" if data.exit_code is None else f"exit code {data.exit_code}"


def main() -> None:
    site_file, code, image = sys.argv[1:]
    settings = load_site(Path(site_file), os.environ)
    print("A training job:")
    trained = run(settings, training(code, image))
    print("A deployment job, with the model of the training:")
    classified = run(settings, deployment(code, image, str(trained / "artifacts")))
    training_said = json.loads((trained / "artifacts/training.json").read_text())
    said = json.loads((classified / "artifacts/classification.json").read_text())
    print(f"""
   training log      {trained}/stdout
   loss per epoch    {trained}/progress.jsonl
   model             {trained}/artifacts/model.pickle
   deployment log    {classified}/stdout
   predictions       {classified}/artifacts/predictions.csv

   final loss        {training_said["loss"]:.4f}
   accuracy          {said["accuracy"]:.4f}
                     {said["right"]} of {said["images"]} held-out images are right""")


if __name__ == "__main__":
    main()
