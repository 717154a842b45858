"""A budget of Slurm commands: never more in any minute, whoever asks and whenever."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapters.budgeted import BudgetedRunner
from bridge.core.errors import OverBudgetError, UnavailableError
from bridge.core.policy import LookPolicy, budget_wait, next_look, within_budget
from bridge.testing.clock import FakeClock
from bridge.testing.runner import FakeRunner, completed

QUERIES = frozenset({"squeue", "sacct"})
SUBMISSIONS = frozenset({"sbatch", "scancel"})
MINUTE = timedelta(minutes=1)
LIMIT = timedelta(seconds=90)
MANY = settings(max_examples=200, deadline=None)


class Desk:
    """A budgeted runner over one that answers everything."""

    def __init__(
        self,
        queries: int | None,
        submissions: int | None = None,
        *,
        clock: FakeClock | None = None,
        kept_in: Path | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.runner = FakeRunner(*[completed()] * 2000)
        self.budgeted = BudgetedRunner(
            self.runner,
            self.clock,
            [(QUERIES, queries), (SUBMISSIONS, submissions)],
            kept_in=None if kept_in is None else str(kept_in),
        )

    def runs(self, *argv: str) -> bool:
        try:
            self.budgeted.run(argv, timeout=LIMIT)
        except OverBudgetError:
            return False
        return True

    @property
    def count(self) -> int:
        return len(self.runner.commands)


def test_what_does_the_same_as_a_command_counts_as_one() -> None:
    desk = Desk(None, 2)
    desk.budgeted.spend(["sbatch"])
    assert [desk.runs("sbatch"), desk.runs("scancel")] == [True, False]
    with pytest.raises(OverBudgetError):
        desk.budgeted.spend(["sbatch"])
    assert desk.count == 1


def test_as_many_commands_run_in_a_minute_as_the_budget_has_and_no_more() -> None:
    desk = Desk(3)
    assert [desk.runs("squeue") for _ in range(5)] == [True, True, True, False, False]
    assert desk.count == 3


def test_a_command_over_the_budget_says_when_it_may_run_and_then_it_does() -> None:
    desk = Desk(2)
    desk.runs("squeue")
    desk.clock.move(timedelta(seconds=20))
    desk.runs("squeue")
    desk.clock.move(timedelta(seconds=5))
    with pytest.raises(OverBudgetError, match="sacct, squeue: 2 in a minute") as over:
        desk.budgeted.run(["sacct"], timeout=LIMIT)
    assert over.value.wait == timedelta(seconds=35)
    assert isinstance(over.value, UnavailableError)
    desk.clock.move(over.value.wait - timedelta(microseconds=1))
    assert not desk.runs("sacct")
    desk.clock.move(timedelta(microseconds=1))
    assert desk.runs("sacct")
    assert not desk.runs("sacct")


def test_each_budget_is_spent_by_its_own_commands_together() -> None:
    desk = Desk(2, 1)
    assert desk.runs("squeue")
    assert desk.runs("sbatch")
    assert desk.runs("sacct")
    assert not desk.runs("scancel")
    assert not desk.runs("squeue")


def test_a_command_is_told_by_its_name_wherever_it_stands() -> None:
    desk = Desk(1)
    assert desk.runs("env", "-u", "SLURM_JOB_ID", "SLURM_CONF=/etc/slurm.conf", "squeue", "--me")
    assert not desk.runs("squeue")


def test_a_command_that_no_budget_names_always_runs() -> None:
    desk = Desk(1, 1)
    assert all(desk.runs("scontrol") for _ in range(10))
    assert desk.runs("squeue")


def test_without_a_number_there_is_no_limit() -> None:
    desk = Desk(None)
    assert all(desk.runs("squeue") for _ in range(500))


def test_what_was_refused_for_the_budget_costs_nothing_of_it() -> None:
    desk = Desk(1)
    desk.runs("squeue")
    for _ in range(59):
        desk.clock.move(timedelta(seconds=1))
        assert not desk.runs("squeue")
    desk.clock.move(timedelta(seconds=1))
    assert desk.runs("squeue")


def test_what_the_command_gets_and_says_is_left_as_it_is() -> None:
    runner = FakeRunner(completed(3, stdout="out", stderr="err"))
    budgeted = BudgetedRunner(runner, FakeClock(), [(QUERIES, 1)])
    answer = budgeted.run(["squeue", "--me"], stdin="in", timeout=LIMIT)
    assert (answer.return_code, answer.stdout, answer.stderr) == (3, "out", "err")
    (command,) = runner.commands
    assert (command.argv, command.stdin, command.timeout) == (("squeue", "--me"), "in", LIMIT)


def test_many_threads_spend_one_budget() -> None:
    desk = Desk(50)
    with ThreadPoolExecutor(8) as pool:
        ran = list(pool.map(lambda _: desk.runs("squeue"), range(400)))
    assert sum(ran) == desk.count == 50


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.001, 0.5, 1.0, 7.0, 20.0, 59.999, 60.0, 61.0]),
            st.sampled_from([0, 0, 0, -86400, 86400, -30]),
        ),
        max_size=60,
    ),
    st.integers(1, 7),
)
@MANY
def test_never_more_than_the_budget_in_any_minute_whatever_the_time_of_day(
    calls: list[tuple[float, int]], most: int
) -> None:
    desk = Desk(most)
    ran: list[timedelta] = []
    refused: list[timedelta] = []
    for passes, set_by in calls:
        desk.clock.move(timedelta(seconds=passes))
        desk.clock.set(desk.clock.now() + timedelta(seconds=set_by))
        (ran if desk.runs("squeue") else refused).append(desk.clock.uptime())
    for start in ran:
        assert sum(start <= it < start + MINUTE for it in ran) <= most
    for moment in refused:
        assert sum(moment - MINUTE < it <= moment for it in ran) == most


@given(st.lists(st.integers(0, 200), max_size=30), st.integers(1, 5), st.integers(0, 300))
@MANY
def test_the_wait_ends_when_the_budget_has_room_and_not_before(
    seconds: list[int], most: int, now: int
) -> None:
    spent = [timedelta(seconds=it) for it in sorted(it for it in seconds if it <= now)]
    wait = budget_wait(spent, per_minute=most, now=timedelta(seconds=now))
    in_use = [it for it in spent if it > timedelta(seconds=now) - MINUTE]
    if wait is None:
        assert len(in_use) < most
        return
    assert timedelta(0) < wait <= MINUTE
    still_in_use = [it for it in spent if it > timedelta(seconds=now) + wait - MINUTE]
    assert len(still_in_use) < most <= len(in_use)


@pytest.mark.parametrize(
    ("per_minute", "shortest", "longest"), [(30, 15, 60), (8, 15, 60), (4, 30, 60), (1, 120, 120)]
)
def test_looks_of_two_commands_each_stay_within_the_budget(
    per_minute: int, shortest: float, longest: float
) -> None:
    looks = LookPolicy(
        shortest=timedelta(seconds=15),
        longest=timedelta(seconds=60),
        min_job_age=timedelta(seconds=900),
    )
    slowed = within_budget(looks, queries_per_minute=per_minute)
    assert (slowed.shortest.total_seconds(), slowed.longest.total_seconds()) == (shortest, longest)
    assert slowed.min_job_age == looks.min_job_age
    assert 2 * MINUTE / next_look(slowed, quiet_for=timedelta(0)) <= per_minute


def test_who_starts_anew_is_bound_by_what_was_spent_before(tmp_path: Path) -> None:
    first = Desk(3, kept_in=tmp_path / "journal.spent")
    assert first.runs("squeue")
    first.clock.move(timedelta(seconds=20))
    assert first.runs("sacct")
    second = Desk(3, clock=first.clock, kept_in=tmp_path / "journal.spent")
    assert [second.runs("squeue") for _ in range(2)] == [True, False]
    third = Desk(3, clock=first.clock, kept_in=tmp_path / "journal.spent")
    assert not third.runs("squeue")
    third.clock.move(timedelta(seconds=40))
    assert [third.runs("squeue") for _ in range(2)] == [True, False]


def test_a_budget_that_was_lowered_counts_what_was_spent_last(tmp_path: Path) -> None:
    first = Desk(5, kept_in=tmp_path / "spent")
    for _ in range(5):
        assert first.runs("squeue")
        first.clock.move(timedelta(seconds=10))
    second = Desk(2, clock=first.clock, kept_in=tmp_path / "spent")
    with pytest.raises(OverBudgetError) as over:
        second.budgeted.run(["squeue"], timeout=LIMIT)
    assert over.value.wait == timedelta(seconds=40)


def test_each_budget_is_kept_by_itself(tmp_path: Path) -> None:
    first = Desk(1, 1, kept_in=tmp_path / "journal.spent")
    assert first.runs("squeue")
    second = Desk(1, 1, clock=first.clock, kept_in=tmp_path / "journal.spent")
    assert [second.runs("squeue"), second.runs("sbatch")] == [False, True]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(1, 6))
@MANY
def test_however_often_it_starts_anew_no_minute_has_more_than_the_budget(
    tmp_path_factory: pytest.TempPathFactory, pauses: list[int], most: int
) -> None:
    clock, kept_in = FakeClock(), tmp_path_factory.mktemp("kept") / "spent"
    ran: list[timedelta] = []
    for pause in pauses:
        desk = Desk(most, clock=clock, kept_in=kept_in)
        ran += [clock.uptime() for _ in range(2) if desk.runs("squeue")]
        desk.budgeted.close()
        clock.move(timedelta(seconds=pause))
    assert all(later - earlier >= MINUTE for earlier, later in zip(ran, ran[most:], strict=False))


@pytest.mark.parametrize(
    "content", [b"", b"x" * 7, b"\xff" * 24, b"\x00" * 24, b"\x00" * 7 + b"\x7f" + b"?" * 17]
)
def test_a_file_of_which_nothing_can_be_understood_counts_for_nothing(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "spent.sacct-squeue").write_bytes(content)
    desk = Desk(3, kept_in=tmp_path / "spent")
    assert [desk.runs("squeue") for _ in range(4)] == [True, True, True, False]
    again = Desk(3, clock=desk.clock, kept_in=tmp_path / "spent")
    assert not again.runs("squeue")


def test_times_of_before_the_machine_was_started_anew_count_for_nothing(tmp_path: Path) -> None:
    late = FakeClock()
    late.move(timedelta(days=1))
    assert Desk(1, clock=late, kept_in=tmp_path / "spent").runs("squeue")
    assert Desk(1, kept_in=tmp_path / "spent").runs("squeue")


def test_a_file_that_cannot_be_kept_bounds_this_process_alone(tmp_path: Path) -> None:
    desk = Desk(1, kept_in=tmp_path / "absent" / "spent")
    assert [desk.runs("squeue") for _ in range(2)] == [True, False]
    assert Desk(1, clock=desk.clock, kept_in=tmp_path / "absent" / "spent").runs("squeue")
