"""Questions of front ends, and their answers, over the fakes."""

import base64
import json
from datetime import timedelta
from itertools import count

import pytest
from unit.beside import ImpatientQueue
from unit.house import House, job_id, message

from bridge.core.errors import InvalidRequestError
from bridge.core.job import JobId, SlurmId
from bridge.core.site import Choices, Limits, Profile, Secret
from bridge.flows.answer import MOST_WAITING, Answers
from bridge.flows.answer_files import FileAnswers
from bridge.flows.presence import PresenceTeller
from bridge.flows.reach import Reachability
from bridge.flows.tail import MOST_FOLLOWED, Tail
from bridge.testing.broker import FakeReturnChannel
from bridge.testing.files import FakeFiles
from bridge.wire.answer import Answer, Fault, FaultData, read_answer
from bridge.wire.log import read_log
from bridge.wire.presence import read_presence
from bridge.wire.question import LARGEST_ARTIFACT, LONGEST_RANGE, read_question

JOB = job_id(1)


class Site:
    """A site's bridge that may be asked."""

    def __init__(self, house: House | None = None) -> None:
        self.house = house or House()
        self.files = FakeFiles()
        self.channel = FakeReturnChannel()
        self.questions = ImpatientQueue()
        self._numbers = count(1)
        world = self.house
        self.tail = Tail(
            site="testbed",
            files=self.files,
            jobs=world.journal,
            channel=self.channel,
            clock=world.clock,
        )
        self.reachability = Reachability(
            site="testbed",
            notices=world.journal,
            clock=world.clock,
            patience=timedelta(minutes=2),
        )
        self.presence = PresenceTeller(
            site=world.site,
            load=world.journal.load,
            reachability=self.reachability,
            channel=self.channel,
            clock=world.clock,
        )
        self.answers = Answers(
            site=world.site,
            source=self.questions,
            channel=self.channel,
            journal=world.journal,
            files=FileAnswers(
                site=world.site,
                files=self.files,
                journal=world.journal,
                tail=self.tail,
                clock=world.clock,
            ),
            presence=self.presence.describe,
        )

    def ask(self, body: bytes, *, reply_to: str | None = "me") -> str:
        number = str(next(self._numbers))
        self.questions.put(body, reply_to=reply_to, correlation_id=number)
        return number

    def work(self) -> None:
        before = len(self.channel.answers)
        self.answers.answer_some()
        if len(self.channel.answers) == before:
            # What was asked lies with the files; nobody waits where nothing does.
            self.answers.answer_of_files()

    def answer(self, **question: object) -> Answer:
        number = self.ask(json.dumps(question).encode())
        self.work()
        (reply,) = (it for it in self.channel.answers if it.correlation_id == number)
        assert reply.reply_to == "me"
        return read_answer(reply.body)

    def fault(self, **question: object) -> FaultData:
        fault = self.answer(**question).fault
        assert fault is not None
        return fault

    def range(self, **question: object) -> tuple[int, bytes, int]:
        found = self.answer(**question).range
        assert found is not None
        return found.start, base64.b64decode(found.data), found.size


@pytest.fixture
def site() -> Site:
    return Site()


def test_the_limits_are_those_of_the_sites_file(site: Site) -> None:
    limits = site.answer(verb="limits").limits
    assert limits is not None
    assert limits.runtime == "apptainer"
    assert limits.images == ["/images/*.sif"]
    assert limits.defaults.walltime_seconds == 3600
    assert limits.limits.gpus is None
    assert limits.profiles == []
    assert (limits.gpu_types, limits.priorities, limits.secrets) == ([], (0, 0), [])


def test_the_limits_of_profiles_are_told_with_them() -> None:
    house = House()
    gpu = Profile(
        name="gpu",
        partition="gpu",
        gpu_types=("a100",),
        limits=Limits(
            gpus=4, walltime=timedelta(days=1), min_walltime=timedelta(hours=2), memory_mib=1024
        ),
    )
    house.site = type(house.site)(
        name="testbed",
        tag_prefix="bridge",
        work_root="/work/bridge",
        containers=house.site.containers,
        defaults=house.site.defaults,
        profiles=(gpu,),
        choices=Choices(gpu_types=("a40", "a100"), lowest_priority=-5),
        secrets=(Secret(reference="tiled", file="/secrets/tiled", users=("ada",)),),
    )
    limits = Site(house).answer(verb="limits").limits
    assert limits is not None
    assert (limits.gpu_types, limits.priorities) == (["a40", "a100"], (-5, 0))
    assert [(it.reference, it.users) for it in limits.secrets] == [("tiled", ["ada"])]
    assert "/secrets/tiled" not in limits.model_dump_json()
    (profile,) = limits.profiles
    assert (profile.name, profile.partition, profile.qos) == ("gpu", "gpu", None)
    assert profile.gpu_types == ["a100"]
    assert (profile.limits.gpus, profile.limits.memory_mib) == (4, 1024)
    assert profile.limits.walltime_seconds == 86_400
    assert profile.limits.min_walltime_seconds == 7_200


def test_any_range_of_what_a_job_wrote_is_answered_unmodified(site: Site) -> None:
    site.files.append(JOB, "stdout", b"one\ntwo\xff\n")
    site.files.append(JOB, "stderr", b"oh")
    site.files.append(JOB, "progress.jsonl", b'{"step": 1}\n')
    asked = {"verb": "logs", "job_id": JOB}
    assert site.range(**asked) == (0, b"one\ntwo\xff\n", 9)
    assert site.range(**asked, start=4, length=4) == (4, b"two\xff", 9)
    assert site.range(**asked, start=100) == (100, b"", 9)
    assert site.range(**asked, stream="stderr") == (0, b"oh", 2)
    assert site.range(**asked, stream="progress") == (0, b'{"step": 1}\n', 12)


def test_an_answer_is_never_longer_than_it_may_be(site: Site) -> None:
    site.files.append(JOB, "stdout", b"x" * (LONGEST_RANGE + 1))
    _, data, size = site.range(verb="logs", job_id=JOB, length=10**12)
    assert (len(data), size) == (LONGEST_RANGE, LONGEST_RANGE + 1)


def test_a_job_that_has_not_begun_to_write_has_an_empty_file(site: Site) -> None:
    site.house.receive(message(1))
    assert site.range(verb="logs", job_id=JOB) == (0, b"", 0)


def test_of_a_job_that_nobody_knows_nothing_is_known(site: Site) -> None:
    fault = site.fault(verb="logs", job_id=JOB)
    assert fault.reason is Fault.UNKNOWN
    assert JOB in fault.words


def test_an_artifact_is_handed_out_by_its_path(site: Site) -> None:
    site.files.append(JOB, "artifacts/plots/loss.png", b"\x89PNG")
    assert site.range(verb="artifact", job_id=JOB, name="plots/loss.png") == (0, b"\x89PNG", 4)
    assert site.range(verb="artifact", job_id=JOB, name="plots/loss.png", start=1, length=2) == (
        *(1, b"PN", 4),
    )


@pytest.mark.parametrize("name", ["../stdout", "/etc/passwd", "a/../../job.json", ".", "a\0"])
def test_a_path_that_leads_out_of_the_artifacts_is_refused(site: Site, name: str) -> None:
    site.files.append(JOB, "stdout", b"secret")
    fault = site.fault(verb="artifact", job_id=JOB, name=name)
    assert fault.reason is Fault.INVALID
    assert "artifacts/" in fault.words


def test_an_artifact_that_is_not_there_is_unknown(site: Site) -> None:
    site.house.receive(message(1))
    fault = site.fault(verb="artifact", job_id=JOB, name="model.pt")
    assert (fault.reason, "model.pt" in fault.words) == (Fault.UNKNOWN, True)
    other = site.fault(verb="artifact", job_id=job_id(2), name="model.pt")
    assert (other.reason, job_id(2) in other.words) == (Fault.UNKNOWN, True)


def test_a_large_artifact_is_named_by_its_path(site: Site) -> None:
    site.files.append(JOB, "artifacts/model.pt", b"x" * (LARGEST_ARTIFACT + 1))
    fault = site.fault(verb="artifact", job_id=JOB, name="model.pt")
    assert fault.reason is Fault.TOO_LARGE
    assert f"/work/bridge/{JOB}/artifacts/model.pt" in fault.words


def test_a_file_system_that_does_not_answer_is_said_to(site: Site) -> None:
    site.house.receive(message(1))
    site.files.is_available = False
    for verb in ("logs", "follow"):
        assert site.fault(verb=verb, job_id=JOB).reason is Fault.UNAVAILABLE


def test_a_job_s_message_is_handed_out_as_it_came(site: Site) -> None:
    body = message(1, params={"epochs": 25})
    site.house.receive(body)
    assert site.range(verb="request", job_id=JOB) == (0, body, len(body))
    assert site.range(verb="request", job_id=JOB, start=10, length=5) == (
        10,
        body[10:15],
        len(body),
    )
    fault = site.fault(verb="request", job_id=job_id(9))
    assert (fault.reason, job_id(9) in fault.words) == (Fault.UNKNOWN, True)


def test_the_events_of_a_job_are_told_once_more_page_by_page(site: Site) -> None:
    site.house.queued_job(1)
    events = site.answer(verb="events", job_id=JOB).events
    assert events is not None
    told = [json.loads(it)["data"]["event"] for it in events.events]
    assert (told, events.is_last) == (["accepted", "queued"], True)
    rest = site.answer(verb="events", job_id=JOB, after=events.after).events
    assert rest is not None
    assert (rest.events, rest.after, rest.is_last) == ([], events.after, True)


def test_events_that_are_too_many_for_one_answer_come_in_several(site: Site) -> None:
    site.house.receive(message(1))
    site.house.submission.submit_waiting()
    long = "Resources" * 20_000
    for number in range(4):
        site.house.cluster.say(SlurmId("1"), "PENDING", reason=f"{number}{long}")
        site.house.watch.look()
    seen, after, pages = 0, 0, 0
    while True:
        events = site.answer(verb="events", job_id=JOB, after=after).events
        assert events is not None
        assert events.events
        seen, after, pages = seen + len(events.events), events.after, pages + 1
        if events.is_last:
            break
    assert seen == len(site.house.told(1))
    assert pages > 1


def test_following_answers_from_where_on_and_until_when(site: Site) -> None:
    site.house.receive(message(1))
    site.files.append(JOB, "stdout", b"before")
    follow = site.answer(verb="follow", job_id=JOB, seconds=30).follow
    assert follow is not None
    assert (follow.stdout, follow.stderr) == (6, 0)
    assert follow.until == site.house.clock.now() + timedelta(seconds=30)
    site.files.append(JOB, "stdout", b"after")
    site.tail.tell_growth()
    (told,) = site.channel.logs
    assert read_log(told.body).bytes == b"after"


def test_a_job_that_nobody_knows_is_not_followed(site: Site) -> None:
    assert site.fault(verb="follow", job_id=JOB).reason is Fault.UNKNOWN
    site.tail.tell_growth()
    assert site.files.looks == 0


def test_too_many_followed_jobs_are_refused_in_words(site: Site) -> None:
    site.house.receive(message(1))
    for number in range(MOST_FOLLOWED):
        site.tail.follow(JobId(f"job {number}"), timedelta(minutes=1))
    assert site.fault(verb="follow", job_id=JOB).reason is Fault.BUSY


def test_who_is_there_is_answered_with_how_it_is(site: Site) -> None:
    site.house.receive(message(1), message(2))
    there = site.answer(verb="presence").presence
    assert there is not None
    assert (there.site, there.waiting, there.live) == ("testbed", 2, 0)
    assert (there.is_reached, there.answered_seconds_ago) == (True, None)
    site.house.submission.submit_waiting()
    site.reachability.answered()
    site.house.clock.move(timedelta(seconds=7))
    site.reachability.silent("Unable to contact slurm controller")
    there = site.answer(verb="presence").presence
    assert there is not None
    assert (there.waiting, there.live) == (0, 2)
    assert (there.is_reached, there.answered_seconds_ago) == (False, 7.0)


def test_presence_is_told_again_within_the_time_that_it_counts(site: Site) -> None:
    pause = site.presence.announce()
    (told,) = site.channel.presence
    assert told.routing_key == "testbed.presence"
    assert pause.total_seconds() * 2 < read_presence(told.body).valid_seconds


def test_a_journal_that_cannot_be_read_is_said_to(site: Site) -> None:
    site.house.journal.failure = "disk I/O error"
    fault = site.fault(verb="events", job_id=JOB)
    assert (fault.reason, fault.words) == (Fault.UNAVAILABLE, "disk I/O error")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff", "not UTF-8"),
        (b"[]", "verb: one of limits"),
        (b'{"verb": "obey"}', "'obey'"),
        (b'{"verb": ["limits"]}', "verb"),
        (b'{"verb": "logs"}', "job_id: missing"),
        (b'{"verb": "logs", "job_id": "x"}', "job_id: a UUID is wanted"),
        (b'{"verb": "limits", "speed": 1}', "speed: unknown field"),
    ],
)
def test_what_is_no_question_is_answered_in_words(site: Site, body: bytes, words: str) -> None:
    site.ask(body)
    site.work()
    (reply,) = site.channel.answers
    fault = read_answer(reply.body).fault
    assert fault is not None
    assert fault.reason is Fault.INVALID
    assert words in fault.words


def test_a_question_that_names_nobody_to_answer_is_left_alone(site: Site) -> None:
    site.ask(b'{"verb": "limits"}', reply_to=None)
    site.work()
    assert site.channel.answers == []
    assert len(site.questions.acked) == 1


def test_a_flood_of_questions_is_bounded_and_what_is_known_is_answered_all_the_same(
    site: Site,
) -> None:
    asked = json.dumps({"verb": "logs", "job_id": JOB}).encode()
    flood = [site.ask(asked) for _ in range(MOST_WAITING + 1)]
    limits = site.ask(b'{"verb": "limits"}')
    for _ in range(3):
        site.answers.answer_some()
    answered = {it.correlation_id: read_answer(it.body) for it in site.channel.answers}
    assert set(answered) == {flood[-1], limits}
    fault = answered[flood[-1]].fault
    assert fault is not None
    assert fault.reason is Fault.BUSY
    for _ in range(MOST_WAITING):
        if site.channel.answers[len(flood) :]:
            break
        site.answers.answer_of_files()
    assert len(site.channel.answers) == len(flood) + 1


@pytest.mark.parametrize("read", [read_answer, read_log, read_presence])
def test_what_is_none_of_ours_is_an_invalid_message(read: object) -> None:
    with pytest.raises(InvalidRequestError):
        read(b"{}")  # type: ignore[operator]


def test_a_question_reads_back_as_it_was_asked() -> None:
    question = read_question(b'{"verb": "logs", "job_id": "%s"}' % JOB.encode())
    assert question.verb == "logs"
