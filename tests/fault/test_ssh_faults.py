"""What goes wrong between the bridge and a login node: real sshds, real keys, a real Slurm."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from site_bridge import Configuration, OpenBridge, SiteBridge
from slurm_site import a_script, a_tag, eventually
from ssh_site import (
    PATIENCE_SECONDS,
    Sshd,
    connected,
    keygen,
    login_node,
    new_key,
    public,
    scheduler_over,
)
from structlog.testing import capture_logs
from tcp_proxy import TcpProxy
from testbed import Testbed

from bridge.adapters.clock import SystemClock
from bridge.adapters.ssh import SshConnection, SshFolders, SshRunner
from bridge.core.errors import SubmissionUncertainError, UnavailableError
from bridge.core.job import JobId
from bridge.core.settings import SshSettings
from bridge.ports import Completed

LONG = timedelta(seconds=60)
JOB = JobId("7c9e6679-7425-40de-944b-e07fc1f90ae7")

OpenSshd = Callable[..., Sshd]
Connect = Callable[[SshSettings], SshConnection]


@pytest.fixture
def open_sshd(testbed: Testbed, user_folder: Path) -> Iterator[OpenSshd]:
    """Starts an sshd with these lines in its configuration."""
    with ExitStack() as stack:

        def open_one(*options: str, sftp: str = "internal-sftp") -> Sshd:
            folder = user_folder / f"sshd-{len(list(user_folder.iterdir()))}"
            folder.mkdir()
            sshd = Sshd(folder, testbed.user, *options, sftp=sftp)
            stack.callback(sshd.stop)
            sshd.start()
            return sshd

        yield open_one


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(connected(settings))


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """Runs what waits, beside the test."""
    with ThreadPoolExecutor(16) as pool:
        yield pool


def shell(text: str, *arguments: object) -> list[str]:
    return ["/bin/sh", "-c", text, "sh", *map(str, arguments)]


def say_hello(connection: SshConnection) -> str:
    return SshRunner(connection).run(["echo", "hello"], timeout=LONG).stdout


def hears_hello(connection: SshConnection) -> bool:
    try:
        return say_hello(connection) == "hello\n"
    except UnavailableError:
        return False


def begin_to_wait(
    pool: ThreadPoolExecutor, connection: SshConnection, folder: Path
) -> Future[Completed]:
    """A command that says so when it runs, and would run for long."""
    begun = folder / "begun"
    runner = SshRunner(connection)
    waits = pool.submit(runner.run, shell("touch $1; exec sleep 100", begun), timeout=LONG)
    eventually(begun.exists)
    return waits


# --- the connection is lost -----------------------------------------------------------------------


def test_a_submission_whose_answer_is_lost_is_uncertain_and_found_again(
    testbed: Testbed,
    open_sshd: OpenSshd,
    connect: Connect,
    user_folder: Path,
    beside: ThreadPoolExecutor,
) -> None:
    slow = user_folder / "slow"
    slow.mkdir()
    sbatch = slow / "sbatch"
    # Slurm has the job; its answer stays on the way.
    real = shutil.which("sbatch", path=testbed.path)
    sbatch.write_text(f'#!/bin/sh\n{real} "$@" >{user_folder}/answer\nexec sleep 100\n')
    sbatch.chmod(0o755)
    sshd, tag, born = open_sshd(), a_tag(), SystemClock().now()
    connection = connect(sshd.settings)
    over_slow = scheduler_over(connection, testbed, path=f"{slow}:{testbed.path}")
    submits = beside.submit(over_slow.submit, a_script(tag, "exit 0", "--hold"))
    answer = user_folder / "answer"
    eventually(lambda: answer.exists() and answer.read_text())
    sshd.cut()
    with pytest.raises(SubmissionUncertainError, match="lost before the answer came"):
        submits.result(PATIENCE_SECONDS)
    scheduler = scheduler_over(connection, testbed)
    (arrived,) = eventually(lambda: scheduler.find([tag], since=born)[tag])
    assert arrived == answer.read_text().strip()
    scheduler.cancel([(arrived, tag)])


def test_what_a_command_did_is_not_known_when_its_connection_is_reset(
    testbed: Testbed, connect: Connect, user_folder: Path, beside: ThreadPoolExecutor
) -> None:
    node = login_node(testbed)
    assert node.port is not None
    with TcpProxy(node.port) as proxy:
        connection = connect(through(proxy, node, user_folder))
        waits = begin_to_wait(beside, connection, user_folder)
        proxy.cut()
        assert waits.result(PATIENCE_SECONDS).return_code is None
        with pytest.raises(UnavailableError):
            say_hello(connection)
        proxy.mend()
        assert eventually(lambda: hears_hello(connection))


def test_a_network_that_swallows_everything_is_noticed(
    testbed: Testbed, connect: Connect, user_folder: Path, beside: ThreadPoolExecutor
) -> None:
    config = user_folder / "config"
    config.write_text("Host *\n ServerAliveInterval 2\n ServerAliveCountMax 3\n")
    node = login_node(testbed)
    assert node.port is not None
    with TcpProxy(node.port) as proxy:
        connection = connect(replace(through(proxy, node, user_folder), ssh_config=str(config)))
        waits = begin_to_wait(beside, connection, user_folder)
        proxy.stall()
        assert waits.result(PATIENCE_SECONDS).return_code is None
        assert eventually(lambda: hears_hello(connection))
        assert proxy.accepted == 2


def through(proxy: TcpProxy, node: SshSettings, folder: Path) -> SshSettings:
    """The same host on another port, under the key that is known of it."""
    known = Path(str(node.known_hosts_file)).read_text(encoding="utf-8")
    file = folder / "known_hosts"
    file.write_text(known.replace(f":{node.port} ", f":{proxy.port} "), encoding="utf-8")
    return replace(node, port=proxy.port, known_hosts_file=str(file))


def test_a_server_that_is_away_is_unavailable_and_taken_up_again(
    open_sshd: OpenSshd, connect: Connect
) -> None:
    sshd = open_sshd()
    connection = connect(sshd.settings)
    assert say_hello(connection) == "hello\n"
    sshd.stop()
    with pytest.raises(UnavailableError):
        say_hello(connection)
    with pytest.raises(UnavailableError, match="cannot be reached"):
        say_hello(connection)
    sshd.start()
    assert eventually(lambda: hears_hello(connection))


def test_folders_are_taken_up_again_after_a_cut(
    open_sshd: OpenSshd, connect: Connect, user_folder: Path
) -> None:
    sshd = open_sshd()
    folders = SshFolders(connect(sshd.settings), str(user_folder / "root"), SystemClock())
    folders.create(JOB, {"job.json": "old"})
    sshd.cut()

    def create() -> bool:
        try:
            folders.create(JOB, {"job.json": "new"})
        except UnavailableError:
            return False
        return True

    assert eventually(create)
    assert (user_folder / "root" / JOB / "job.json").read_text() == "new"


def wait_until_connected(bridge: SiteBridge, *, times: int) -> None:
    """So many times, as its log has it."""
    bridge.wait_until(lambda: bridge.logged().count("ssh_connected") >= times, "it is connected")


def test_jobs_of_a_connection_that_is_cut_again_and_again_run_each_once(
    testbed: Testbed, open_sshd: OpenSshd, open_bridge: OpenBridge
) -> None:
    sshd = open_sshd()
    shutil.chown(sshd.client, testbed.user)

    def through_ours(configuration: Configuration) -> None:
        configuration["scheduler"]["access"] |= {
            "port": sshd.port,
            "key_file": str(sshd.client),
            "known_hosts_file": str(sshd.known_hosts),
        }
        configuration["containers"]["bind_roots"][0]["read_only"] = False
        # What is uncertain is looked up after this time.
        configuration["scheduler"]["settle_time"] = "1s"

    bridge = open_bridge(through_ours, base="testbed-ssh.yaml")
    ran = bridge.folder / "ran"
    ran.mkdir()
    shutil.chown(ran, testbed.user)
    mounts = [{"source": str(ran), "target": "/ran", "read_only": False}]
    jobs: list[str] = []
    for cut in range(1, 7):
        jobs += [
            bridge.submit(bridge.job("sh", "-c", f"echo ran >>/ran/{number}", mounts=mounts))
            for number in (2 * cut - 2, 2 * cut - 1)
        ]
        wait_until_connected(bridge, times=cut)
        # Each time somewhat later in the work on them.
        time.sleep(0.3 * cut)
        sshd.cut()
    for job_id in jobs:
        last = bridge.wait_for(job_id, {"finished", "failed", "cancelled"}, patience=2 * LONG)
        assert last.data.event == "finished"
    assert sorted((it.name, it.read_text()) for it in ran.iterdir()) == sorted(
        (str(number), "ran\n") for number in range(12)
    )


# --- keys -----------------------------------------------------------------------------------------


def test_a_key_that_was_replaced_is_read_from_disk_at_the_next_connection(
    open_sshd: OpenSshd, connect: Connect
) -> None:
    sshd = open_sshd()
    connection = connect(sshd.settings)
    assert say_hello(connection) == "hello\n"
    sshd.authorize(new_key(sshd.client))
    sshd.cut()
    assert eventually(lambda: hears_hello(connection))


def test_a_key_that_is_refused_is_told_and_tried_again_when_its_file_changes(
    open_sshd: OpenSshd, connect: Connect
) -> None:
    sshd = open_sshd()
    renewed = new_key(sshd.folder / "renewed")
    sshd.authorize(renewed)
    connection = connect(sshd.settings)
    with capture_logs() as logs, pytest.raises(UnavailableError, match="does not let us in"):
        say_hello(connection)
    (told,) = [it for it in logs if it["event"] == "ssh_authentication_failed"]
    assert (told["log_level"], str(sshd.client) in told["words"]) == ("error", True)
    with capture_logs() as logs, pytest.raises(UnavailableError, match="does not let us in"):
        say_hello(connection)
    assert logs == []  # Nothing was tried.
    shutil.copyfile(renewed, sshd.client)
    assert say_hello(connection) == "hello\n"


def certified(sshd: Sshd, validity: str) -> None:
    """Give the key a certificate that counts for so long; ssh-keygen(1), -V."""
    authority = sshd.folder / "authority"
    user = sshd.user
    keygen("-s", str(authority), "-I", "test", "-n", user, "-V", validity, f"{sshd.client}.pub")


@pytest.fixture
def sshd_with_authority(open_sshd: OpenSshd, user_folder: Path) -> Sshd:
    """Takes certificates of an authority, and no plain key."""
    authority = new_key(user_folder / "authority")
    sshd = open_sshd(f"TrustedUserCAKeys {public(authority)}")
    shutil.copyfile(authority, sshd.folder / "authority")
    (sshd.folder / "authority").chmod(0o600)
    sshd.authorized_keys.write_text("", encoding="utf-8")
    return sshd


def alarms(logs: list[dict[str, object]]) -> list[tuple[object, object, object]]:
    return [
        (it["log_level"], it["certificate"], it["is_over"])
        for it in logs
        if it["event"] == "ssh_key_expires"
    ]


def test_a_certificate_beside_the_key_opens_the_host(
    sshd_with_authority: Sshd, connect: Connect
) -> None:
    certified(sshd_with_authority, "-1m:+24h")
    with capture_logs() as logs:
        assert say_hello(connect(sshd_with_authority.settings)) == "hello\n"
    assert alarms(list(map(dict, logs))) == []


def test_a_certificate_that_ends_soon_is_told_of(
    sshd_with_authority: Sshd, connect: Connect
) -> None:
    certified(sshd_with_authority, "-20h:+4h")
    with capture_logs() as logs:
        assert say_hello(connect(sshd_with_authority.settings)) == "hello\n"
    certificate = f"{sshd_with_authority.client}-cert.pub"
    assert alarms(list(map(dict, logs))) == [("warning", certificate, False)]


def test_a_certificate_that_has_ended_opens_nothing_until_it_is_renewed(
    sshd_with_authority: Sshd, connect: Connect
) -> None:
    certified(sshd_with_authority, "-25h:-1h")
    connection = connect(sshd_with_authority.settings)
    with capture_logs() as logs, pytest.raises(UnavailableError, match="does not let us in"):
        say_hello(connection)
    certificate = f"{sshd_with_authority.client}-cert.pub"
    assert alarms(list(map(dict, logs))) == [("error", certificate, True)]
    certified(sshd_with_authority, "-1m:+24h")
    assert say_hello(connection) == "hello\n"


def test_a_key_of_the_agent_opens_the_host(
    open_sshd: OpenSshd, connect: Connect, monkeypatch: pytest.MonkeyPatch, user_folder: Path
) -> None:
    sshd = open_sshd()
    held = new_key(sshd.folder / "held")
    sshd.authorize(held)
    agent_socket = user_folder / "agent"
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(agent_socket)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(agent_socket.exists)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent_socket))
        subprocess.run(["ssh-add", "-q", str(held)], check=True)
        assert say_hello(connect(sshd.settings)) == "hello\n"
    finally:
        agent.terminate()
        agent.wait(PATIENCE_SECONDS)


# --- hosts ----------------------------------------------------------------------------------------


def test_a_host_whose_key_has_changed_is_refused(open_sshd: OpenSshd, connect: Connect) -> None:
    sshd = open_sshd()
    sshd.make_known(new_key(sshd.folder / "another"))
    with capture_logs() as logs, pytest.raises(UnavailableError) as refusal:
        say_hello(connect(sshd.settings))
    words = str(refusal.value)
    assert f"[127.0.0.1]:{sshd.port}" in words
    assert f"{sshd.known_hosts}, line 1" in words
    assert "has another key" in words
    assert [it["log_level"] for it in logs if it["event"] == "ssh_host_not_trusted"] == ["error"]


def test_a_host_whose_key_changes_is_refused_at_the_next_connection(
    open_sshd: OpenSshd, connect: Connect
) -> None:
    sshd = open_sshd()
    connection = connect(sshd.settings)
    assert say_hello(connection) == "hello\n"
    sshd.stop()
    new_key(sshd.host_key)
    sshd.start()
    with pytest.raises(UnavailableError):
        eventually(lambda: say_hello(connection) and None)
    with pytest.raises(UnavailableError, match="has another key"):
        say_hello(connection)
    sshd.make_known()
    assert eventually(lambda: hears_hello(connection))


def test_a_host_that_is_not_known_is_not_even_asked(open_sshd: OpenSshd, connect: Connect) -> None:
    sshd = open_sshd()
    known = sshd.known_hosts.read_text(encoding="utf-8")
    sshd.make_known(port=sshd.port + 1)
    connection = connect(sshd.settings)
    with pytest.raises(UnavailableError, match=f"not in {sshd.known_hosts}; nothing was sent"):
        say_hello(connection)
    sshd.known_hosts.write_text(known, encoding="utf-8")
    assert say_hello(connection) == "hello\n"


def test_a_revoked_key_is_refused(open_sshd: OpenSshd, connect: Connect) -> None:
    sshd = open_sshd()
    line = sshd.known_hosts.read_text(encoding="utf-8")
    sshd.known_hosts.write_text(f"{line}@revoked {line}", encoding="utf-8")
    with pytest.raises(UnavailableError, match="revoked in"):
        say_hello(connect(sshd.settings))


def test_the_way_may_lead_through_other_hosts(
    testbed: Testbed, open_sshd: OpenSshd, connect: Connect, user_folder: Path
) -> None:
    gate, inner, node = open_sshd(), open_sshd(), login_node(testbed)
    config = user_folder / "config"
    config.write_text(
        f"""\
Host gate
  HostName 127.0.0.1
  Port {gate.port}
  User {gate.user}
  IdentityFile {gate.client}
Host inner
  HostName 127.0.0.1
  Port {inner.port}
  User {inner.user}
  IdentityFile {inner.client}
  ProxyJump gate
Host login
  HostName 127.0.0.1
  Port {node.port}
  User {node.user}
  IdentityFile {node.key_file}
  ProxyJump inner
"""
    )
    known = user_folder / "all-known"
    files = (gate.known_hosts, inner.known_hosts, Path(str(node.known_hosts_file)))
    known.write_text("".join(it.read_text(encoding="utf-8") for it in files))
    settings = SshSettings(host="login", known_hosts_file=str(known), ssh_config=str(config))
    connection = connect(settings)
    ports = SshRunner(connection).run(shell("echo $SSH_CONNECTION"), timeout=LONG).stdout.split()
    assert ports[3] == str(node.port)
    folders = SshFolders(connection, str(user_folder / "root"), SystemClock())
    folders.create(JOB, {"job.json": "{}"})
    # Not only by chance: whatever host on the way falls, the way is made anew.
    gate.cut()
    assert eventually(lambda: hears_hello(connection))


# --- what the far side does -----------------------------------------------------------------------


@pytest.fixture
def home(user_folder: Path) -> Path:
    """A home whose startup file prints 10 kB on both outputs, and 10 kB more in the end."""
    home = user_folder / "home"
    home.mkdir()
    banner = home / "banner"
    banner.write_text("Welcome to the cluster! 4711 \x1f 0\n" * 400, encoding="utf-8")
    (home / ".bashrc").write_text(
        f"cat {banner}; cat {banner} >&2; printf no-line-feed\ntrap 'cat {banner}' EXIT\n",
        encoding="utf-8",
    )
    return home


def test_what_startup_files_print_is_nothing_of_the_command(
    open_sshd: OpenSshd, connect: Connect, home: Path
) -> None:
    sshd = open_sshd(f"Banner {home / 'banner'}", f"SetEnv HOME={home}")
    assert len(sshd.plain("true")) > 20_000
    runner = SshRunner(connect(sshd.settings))
    assert runner.run(
        shell("cat; echo err >&2; exit 7"), stdin="one\ntwo\n", timeout=LONG
    ) == Completed(return_code=7, stdout="one\ntwo\n", stderr="err\n")
    silent = runner.run(["true"], timeout=LONG)
    assert silent == Completed(return_code=0, stdout="", stderr="")


def test_what_startup_files_read_is_nothing_of_the_command(
    open_sshd: OpenSshd, connect: Connect, home: Path
) -> None:
    (home / ".bashrc").write_text("read -r -t 30 swallowed\n", encoding="utf-8")
    sshd = open_sshd(f"SetEnv HOME={home}")
    assert sshd.plain("cat", stdin="one\ntwo\n") == "two\n"
    # We send nothing before the command runs: what reads waits for as long as it likes.
    (home / ".bashrc").write_text("read -r -t 1 swallowed\n", encoding="utf-8")
    runner = SshRunner(connect(sshd.settings))
    assert runner.run(["cat"], stdin="one\ntwo\n", timeout=LONG).stdout == "one\ntwo\n"


def test_what_startup_files_print_is_nothing_of_the_folders(
    open_sshd: OpenSshd, connect: Connect, home: Path, user_folder: Path
) -> None:
    # An SFTP server outside sshd is started by the login shell, too.
    sshd = open_sshd(f"SetEnv HOME={home}", sftp="/usr/lib/openssh/sftp-server")
    folders = SshFolders(connect(sshd.settings), str(user_folder / "root"), SystemClock())
    folders.create(JOB, {"job.json": "{}"})
    assert (user_folder / "root" / JOB / "job.json").read_text() == "{}"
    assert folders.marks() == ()


def test_a_login_shell_that_runs_nothing_is_unavailable_in_its_own_words(
    open_sshd: OpenSshd, connect: Connect
) -> None:
    sshd = open_sshd('ForceCommand echo "closed for maintenance"; exit 255')
    with pytest.raises(UnavailableError, match="closed for maintenance"):
        say_hello(connect(sshd.settings))


@pytest.mark.parametrize("sessions", [1, 3])
def test_a_server_of_few_sessions_is_given_no_more(
    open_sshd: OpenSshd,
    connect: Connect,
    user_folder: Path,
    sessions: int,
    beside: ThreadPoolExecutor,
) -> None:
    sshd = open_sshd(f"MaxSessions {sessions}")
    connection = connect(sshd.settings)
    runner = SshRunner(connection)
    folders = SshFolders(connection, str(user_folder / "root"), SystemClock())

    def work(number: int) -> str:
        job_id = JobId(f"{JOB[:-2]}{number:02}")
        folders.create(job_id, {"job.json": str(number)})
        answer = runner.run(shell("sleep 0.1; echo $1", number), timeout=LONG)
        return f"{answer.return_code} {answer.stdout.strip()}"

    assert list(beside.map(work, range(12))) == [f"0 {it}" for it in range(12)]
    written = sorted(it.read_text() for it in (user_folder / "root").glob("*/job.json"))
    assert written == sorted(map(str, range(12)))


def test_a_server_that_is_full_of_commands_we_gave_up_gets_a_new_connection(
    open_sshd: OpenSshd, connect: Connect
) -> None:
    sshd = open_sshd("MaxSessions 1")
    connection = connect(sshd.settings)
    answer = SshRunner(connection).run(
        shell("trap '' PIPE HUP; exec sleep 30"), timeout=timedelta(seconds=1)
    )
    assert answer.return_code is None
    assert eventually(lambda: hears_hello(connection))


@pytest.fixture
def small_disk(user_folder: Path, testbed: Testbed) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = user_folder / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)
    try:
        shutil.chown(place, testbed.user)
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_leaves_no_piece_of_a_file_and_the_old_one_in_place(
    testbed: Testbed, connect: Connect, small_disk: Path
) -> None:
    folders = SshFolders(connect(login_node(testbed)), str(small_disk), SystemClock())
    folders.create(JOB, {"job.json": "old"})
    with pytest.raises(UnavailableError, match=f"{JOB}.*full"):
        folders.create(JOB, {"job.json": "new" * 50_000})
    files = [it for it in (small_disk / JOB).iterdir() if it.is_file()]
    assert [(it.name, it.read_text()) for it in files] == [("job.json", "old")]
    folders.create(JOB, {"job.json": "new"})
    assert (small_disk / JOB / "job.json").read_text() == "new"


def test_a_time_that_is_far_off_is_shown_in_a_certificate_as_it_is(
    sshd_with_authority: Sshd, connect: Connect
) -> None:
    certified(sshd_with_authority, "always:forever")
    with capture_logs() as logs:
        assert say_hello(connect(sshd_with_authority.settings)) == "hello\n"
    assert alarms(list(map(dict, logs))) == []
