"""Names that others must know: exchanges, queues, folders, tags."""

from unit.builders import JOB_ID, site

from bridge.core.job import SlurmId, slurm_order, submission_tag
from bridge.core.settings import BrokerSettings
from bridge.core.site import job_folder, spool_folder

BROKER = BrokerSettings(
    host="localhost", port=5672, virtual_host="/", user="bridge", password="hush-hush"
)


def test_the_names_at_the_broker_are_these() -> None:
    assert BROKER.jobs_exchange == "hpc-bridge.jobs"
    assert BROKER.events_exchange == "hpc-bridge.events"
    assert BROKER.dead_letter_exchange == "hpc-bridge.dead-letters"
    assert BROKER.control_exchange == "hpc-bridge.control"
    assert BROKER.control_queue("testbed") == "hpc-bridge.control.testbed"
    assert BROKER.jobs_queue("testbed") == "hpc-bridge.jobs.testbed"
    assert BROKER.dead_letter_queue("testbed") == "hpc-bridge.dead-letters.testbed"


def test_a_password_does_not_show_where_settings_are_printed() -> None:
    assert "hush" not in repr(BROKER)
    assert "hush" not in str(BROKER)


def test_the_folders_of_a_site_lie_below_its_work_root() -> None:
    assert job_folder(site(), JOB_ID) == f"/work/bridge/{JOB_ID}"
    assert spool_folder(site()) == "/work/bridge/spool"


def test_a_tag_tells_prefix_job_and_attempt_and_fits_what_slurm_stores() -> None:
    assert submission_tag("bridge", JOB_ID, 2) == f"bridge-{JOB_ID}-2"
    assert len(submission_tag("b" * 200, JOB_ID, 9_999_999)) <= 255


def test_slurm_ids_sort_by_number() -> None:
    ids = [SlurmId(it) for it in ("100", "9", "123_4", "20;cluster", "x")]
    assert sorted(ids, key=slurm_order) == ["x", "9", "20;cluster", "100", "123_4"]
