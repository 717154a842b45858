"""The checkpoint of a job message."""

import pytest
from unit.job_messages import accepted, message, problems

from bridge.core.job import Checkpoint


def read(checkpoint: object) -> Checkpoint | None:
    return accepted(checkpoint=checkpoint).checkpoint


def test_a_checkpoint_names_a_signal_and_a_time() -> None:
    assert read({"signal": "USR2", "seconds_before": 60}) == Checkpoint(
        signal="USR2", seconds_before=60
    )
    assert read({"seconds_before": 65535}) == Checkpoint(signal="USR1", seconds_before=65535)
    assert read(None) is None


@pytest.mark.parametrize(
    ("checkpoint", "where"),
    [
        ({"signal": "KILL", "seconds_before": 60}, "checkpoint.signal"),
        ({"signal": "USR1@1\n", "seconds_before": 60}, "checkpoint.signal"),
        ({"signal": "USR1"}, "checkpoint.seconds_before"),
        ({"seconds_before": 9}, "checkpoint.seconds_before"),
        ({"seconds_before": 65536}, "checkpoint.seconds_before"),
        ({"seconds_before": "60"}, "checkpoint.seconds_before"),
        (120, "checkpoint"),
    ],
)
def test_a_checkpoint_that_slurm_could_not_be_told_is_refused(
    checkpoint: object, where: str
) -> None:
    [told] = problems(message(checkpoint=checkpoint))
    assert told.startswith(f"{where}: ")
