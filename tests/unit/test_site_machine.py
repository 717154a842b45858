"""A look at the machine where a site's commands run."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from unit.script_jobs import shipped_site, with_runtime

from bridge.adapters.clock import SystemClock
from bridge.adapters.run_local import LocalRunner
from bridge.adapters.site_machine import MachineExamination
from bridge.core.errors import UnavailableError
from bridge.core.finding import Finding, Grade
from bridge.core.settings import SchedulerKind, SiteSettings
from bridge.core.site import Runtime, Secret
from bridge.ports import Completed
from bridge.testing.clock import FakeClock
from bridge.testing.runner import FakeRunner, completed

YES, NO = completed(), completed(1)
DF = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 9 9 {free} 9% /\n"


def site(root: str = "/work", *, over_ssh: bool = False, **containers: object) -> SiteSettings:
    settings = shipped_site("testbed-ssh" if over_ssh else "testbed")
    changed = replace(settings.site.containers, **containers)  # type: ignore[arg-type]
    return replace(settings, site=replace(settings.site, work_root=root, containers=changed))


def scripted(settings: SiteSettings, *answers: Completed) -> MachineExamination:
    return MachineExamination(FakeRunner(*answers), settings, FakeClock())


def here(settings: SiteSettings) -> MachineExamination:
    """Over real commands of this machine."""
    return MachineExamination(LocalRunner(), settings, SystemClock())


def grades(found: Sequence[Finding]) -> dict[str, Grade]:
    return {it.subject: it.grade for it in found}


def seconds(off: int = 0) -> Completed:
    return completed(stdout=f"{int(FakeClock().now().timestamp()) + off}\n")


# --- login and clock


def test_a_login_tells_where_and_as_whom() -> None:
    machine = scripted(site(over_ssh=True), seconds(), completed(stdout="ada\n"))
    login, clock = machine.login()
    assert (login.grade, login.words) == (Grade.OK, "127.0.0.1, as ada")
    assert clock.grade is Grade.OK


@pytest.mark.parametrize("off", [-300, 300])
def test_a_clock_that_is_minutes_off_is_wrong(off: int) -> None:
    (clock,) = scripted(site(), seconds(off)).login()
    assert (clock.grade, clock.remedy) == (Grade.WRONG, "have both kept by NTP")


def test_a_clock_that_does_not_answer_is_not_known() -> None:
    (clock,) = scripted(site(), completed(127)).login()
    assert clock.grade is Grade.SKIPPED


def test_a_command_that_hangs_ends_the_look() -> None:
    with pytest.raises(UnavailableError, match="date did not end in 30 s"):
        list(scripted(site(), completed(None)).login())


# --- folders


def test_a_work_root_that_can_be_written_is_told_with_its_room_and_left_as_it_was(
    tmp_path: Path,
) -> None:
    found = list(here(site(str(tmp_path))).folders())
    assert found[0].grade is Grade.OK
    assert "may be written; file system" in found[0].words
    assert found[1].subject == "free space"
    assert list(tmp_path.iterdir()) == []


def test_a_work_root_that_the_bridge_will_make_is_a_note(tmp_path: Path) -> None:
    (found,) = here(site(f"{tmp_path}/new/work")).folders()
    assert (found.grade, found.remedy) == (Grade.NOTE, None)
    assert list(tmp_path.iterdir()) == []


def test_a_work_root_that_cannot_be_made_is_wrong() -> None:
    (found,) = scripted(site("/a/work"), NO, NO, YES, YES, NO).folders()
    assert found.grade is Grade.WRONG
    assert found.words == "there is no folder /a/work, and none can be made in /"
    assert str(found.remedy).startswith("mkdir -p /a/work")


def test_a_work_root_that_may_not_be_written_is_wrong() -> None:
    refusal = completed(1, stderr="mktemp: failed to create file: Permission denied\n")
    (found,) = scripted(site(), YES, refusal).folders()
    assert (found.grade, found.words) == (Grade.WRONG, refusal.stderr.strip())
    assert found.remedy == "give it to the user whose jobs the bridge submits"


def work_root(free: str, *spool: Completed) -> MachineExamination:
    """One that can be written, with this many KiB."""
    made = completed(stdout="/work/.hpc-bridge-check.x\n")
    kind = completed(stdout="nfs\n")
    room = completed(stdout=DF.format(free=free))
    return scripted(site(), YES, made, YES, kind, room, *spool)


def test_little_room_is_a_note() -> None:
    assert grades(list(work_root("1000", NO).folders()))["free space"] is Grade.NOTE


def test_room_that_df_does_not_tell_is_not_known() -> None:
    assert grades(list(work_root("-", NO).folders()))["free space"] is Grade.SKIPPED


def test_a_spool_that_may_not_be_written_is_wrong() -> None:
    assert grades(list(work_root("9999999", YES, NO).folders()))["spool"] is Grade.WRONG


# --- runtime, images, scripts


def test_a_runtime_that_is_there_is_told_with_its_place() -> None:
    (found,) = scripted(site(), completed(stdout="/usr/bin/apptainer\n")).runtime()
    assert (found.grade, found.words) == (Grade.OK, "/usr/bin/apptainer")


def test_a_runtime_is_looked_for_where_jobs_would_find_it() -> None:
    runner = FakeRunner(NO)
    list(MachineExamination(runner, site(), FakeClock()).runtime())
    assert runner.commands[0].argv[:2] == ("env", "PATH=/testbed/bin:/usr/bin:/bin")


def test_a_runtime_that_only_the_nodes_may_have_is_a_note() -> None:
    (found,) = scripted(site(), NO).runtime()
    assert found.grade is Grade.NOTE
    assert "`setup`" in str(found.remedy)


def test_a_runtime_that_local_jobs_lack_is_wrong() -> None:
    settings = site()
    local = replace(settings, scheduler=replace(settings.scheduler, kind=SchedulerKind.LOCAL))
    (found,) = scripted(local, NO).runtime()
    assert found.grade is Grade.WRONG


def test_commands_without_a_container_need_no_runtime() -> None:
    (found,) = scripted(with_runtime(site(), Runtime.COMMAND)).runtime()
    assert found.grade is Grade.OK


def test_images_are_looked_for_up_to_the_first_wild_part(tmp_path: Path) -> None:
    (tmp_path / "one.sif").touch()
    patterns = (
        f"{tmp_path}/*.sif",
        f"{tmp_path}/one.sif",
        f"{tmp_path}/no/[ab]*/x.sif",
        "docker://debian:*",
    )
    found = list(here(site(images=patterns)).images())
    assert [it.grade for it in found] == [Grade.OK, Grade.OK, Grade.WRONG, Grade.SKIPPED]
    assert found[0].words == f"{tmp_path} can be read"
    assert found[2].words == f"{tmp_path}/no is not there, or cannot be read"


def test_folders_for_images_are_looked_at(tmp_path: Path) -> None:
    machine = here(site(images=("x",), cache=str(tmp_path), scratch=f"{tmp_path}/new"))
    _, cache, scratch = machine.images()
    assert (cache.grade, scratch.grade) == (Grade.OK, Grade.NOTE)


def test_a_folder_for_images_that_may_not_be_written_is_wrong() -> None:
    machine = scripted(site(images=("x",), pull_folder="/pulled"), YES, NO)
    assert list(machine.images())[-1].grade is Grade.WRONG


def test_a_script_that_bash_cannot_read_is_wrong_in_bashs_words() -> None:
    machine = here(site())
    assert machine.script("#!/bin/bash\nif true; then\nfi\n").grade is Grade.WRONG
    assert "syntax error" in machine.script("if true; then\nfi\n").words
    assert machine.script("true\n").grade is Grade.OK


def test_a_look_takes_no_longer_than_its_commands_may() -> None:
    runner = FakeRunner(seconds())
    list(MachineExamination(runner, site(), FakeClock()).login())
    assert runner.commands[0].timeout <= timedelta(minutes=1)
    assert os.sep not in runner.commands[0].argv[0]


def test_secrets_are_looked_at_where_commands_run(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    settings = site()
    secrets = tuple(
        Secret(reference=name, file=str(tmp_path / name)) for name in ("key", "not-there")
    )
    settings = replace(settings, site=replace(settings.site, secrets=secrets))
    key, other = here(settings).secrets()
    assert (key.subject, key.grade) == ("secret key", Grade.OK)
    assert (other.subject, other.grade) == ("secret not-there", Grade.NOTE)
