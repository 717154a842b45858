"""`hpc-bridge check --live` of the built wheel, as the ordinary user: all well, and what is not."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from rabbitmq_management import Management
from site_bridge import PATIENCE, Configuration, SiteBridge
from ssh_site import keygen, new_key, public
from testbed import Testbed

Check = Callable[..., subprocess.CompletedProcess[str]]
BASES = ["testbed.yaml", "testbed-ssh.yaml", "laptop.yaml"]


@pytest.fixture
def check(testbed: Testbed, user_folder: Path) -> Iterator[Check]:
    """Checks a site of its own that no bridge serves."""
    with ExitStack() as stack:

        def run(
            configure: Callable[[Configuration], None] = lambda _: None,
            *,
            base: str = "testbed.yaml",
        ) -> subprocess.CompletedProcess[str]:
            def change(configuration: Configuration) -> None:
                if base == "laptop.yaml":
                    use_the_testbeds_broker(configuration)
                configure(configuration)

            site = SiteBridge(testbed, user_folder, configure=change, base=base)
            stack.callback(Management(testbed.broker).delete_namespace, site.name)
            done = subprocess.run(
                site.command("check", str(site.site_file), "--live"),
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE.total_seconds(),
            )
            assert done.stderr == ""
            return done

        yield run


def use_the_testbeds_broker(configuration: Configuration) -> None:
    prefix = "BRIDGE_TESTBED_AMQP"
    configuration["broker"] |= {
        "host": f"${{{prefix}_HOST}}",
        "port": f"${{{prefix}_PORT}}",
        "virtual_host": f"${{{prefix}_VHOST}}",
        "user": f"${{{prefix}_USER}}",
        "password_file": f"${{{prefix}_PASSWORD_FILE}}",
    }


def wrong(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """What is wrong, by what was looked at: words and remedy."""
    lines = [it for it in done.stdout.splitlines() if it.startswith("WRONG ")]
    return dict(it.removeprefix("WRONG").strip().partition(": ")[::2] for it in lines)


@pytest.mark.parametrize("base", BASES)
def test_a_site_where_all_is_well_exits_with_0_and_nothing_is_left_there(
    check: Check, base: str, user_folder: Path
) -> None:
    done = check(base=base)
    assert wrong(done) == {}
    assert done.returncode == 0
    names = [it.split(": ")[0].split(None, 1)[1] for it in done.stdout.splitlines()[7:]]
    assert {"broker", "broker rights", "journal", "work root", "free space"} <= set(names)
    assert [it.name for it in user_folder.iterdir()] == ["site.yaml"]


def test_slurm_is_asked_for_all_that_the_file_names(check: Check) -> None:
    said = check().stdout
    for subject in (
        *("controller", "accounting", "partition cpu", "partition gpu", "account science"),
        *("QOS regular", "QOS preempt", "sbatch --test-only, a job that asks for nothing"),
    ):
        assert f"OK      {subject}: " in said


def test_a_login_node_is_told(check: Check, testbed: Testbed) -> None:
    done = check(base="testbed-ssh.yaml")
    assert f"OK      login: 127.0.0.1, as {testbed.user}\n" in done.stdout


def test_a_certificate_that_ends_soon_is_told_before_the_login(
    check: Check, testbed: Testbed, user_folder: Path
) -> None:
    key, authority = user_folder / "client", new_key(user_folder / "authority")
    for ours, theirs in (
        (key, testbed.login_node.key),
        (public(key), f"{testbed.login_node.key}.pub"),
    ):
        shutil.copyfile(theirs, ours)
        shutil.chown(ours, testbed.user)
    key.chmod(0o600)
    keygen("-s", str(authority), "-I", "test", "-V", "-20h:+4h", str(public(key)))

    def configure(configuration: Configuration) -> None:
        configuration["scheduler"]["access"]["key_file"] = str(key)

    told = check(configure, base="testbed-ssh.yaml").stdout
    soon, login = (
        told.index(f"NOTE    certificate {key}-cert.pub: ends soon"),
        told.index("login: "),
    )
    assert soon < login


def test_a_check_leaves_no_queue_and_no_exchange(testbed: Testbed, user_folder: Path) -> None:
    site = SiteBridge(testbed, user_folder)
    argv = site.command("check", str(site.site_file), "--live")
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert Management(testbed.broker).of_namespace(site.name) == []


def test_a_wrong_partition_is_told_with_those_that_are(check: Check) -> None:
    done = check(lambda it: it["defaults"].update(partition="cpux"))
    assert done.returncode == 6
    assert wrong(done)["partition cpux"] == (
        "is not there; there are: cpu, gpu; remedy: correct defaults.partition"
    )
    refused = wrong(done)["sbatch --test-only, a job that asks for nothing"]
    assert "Invalid partition name" in refused


def test_a_wrong_account_is_told_with_those_that_are_ours(check: Check) -> None:
    done = check(lambda it: it["choices"].update(accounts=["science", "cern"]))
    assert done.returncode == 6
    assert (
        "allowed: imaging, science; remedy: correct choices.accounts"
        in (wrong(done)["account cern"])
    )
    assert "Invalid account" in wrong(done)["sbatch --test-only, account cern"]


@pytest.mark.parametrize("base", BASES)
def test_a_work_root_that_may_not_be_written_is_told(check: Check, base: str) -> None:
    done = check(lambda it: it.update(work_root="/usr"), base=base)
    assert done.returncode == 6
    (words,) = wrong(done).values()
    assert "Permission denied" in words
    assert "remedy: give it to the user" in words


@pytest.fixture
def password_file(user_folder: Path, testbed: Testbed) -> Path:
    """With the word s3cret."""
    path = user_folder / "password"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    shutil.chown(path, testbed.user)
    return path


def test_a_wrong_password_is_told_without_it(check: Check, password_file: Path) -> None:
    done = check(lambda it: it["broker"].update(password_file=str(password_file)))
    assert done.returncode == 6
    assert "unknown user or wrong password" in wrong(done)["broker"]
    assert "remedy: correct broker.user, the password" in wrong(done)["broker"]
    assert "s3cret" not in done.stdout


def test_a_broker_user_without_the_rights_is_told_how_to_get_them(
    check: Check, password_file: Path, testbed: Testbed
) -> None:
    reader = f"reader-{password_file.parent.name}"

    def use_reader(configuration: Configuration) -> None:
        configuration["broker"].update(user=reader, password_file=str(password_file))

    rights = {"configure": "^$", "write": "^$", "read": ".*"}
    with Management(testbed.broker).user(reader, "s3cret", **rights):
        done = check(use_reader)
    assert done.returncode == 6
    assert "ACCESS_REFUSED" in wrong(done)["broker rights"]
    assert (
        f"rabbitmqctl set_permissions -p {testbed.broker.vhost} {reader}"
        in (wrong(done)["broker rights"])
    )


def test_a_host_key_that_nobody_knows_is_told_and_ends_the_look(check: Check) -> None:
    def forget(configuration: Configuration) -> None:
        configuration["scheduler"]["access"]["known_hosts_file"] = "/dev/null"

    done = check(forget, base="testbed-ssh.yaml")
    assert done.returncode == 6
    assert list(wrong(done)) == ["login"]
    assert "see docs/ssh.md" in wrong(done)["login"]


def test_commands_that_are_not_there_are_told(check: Check) -> None:
    done = check(lambda it: it["scheduler"]["environment"].update(PATH="/nowhere"))
    assert done.returncode == 6
    told = wrong(done)
    assert set(told) >= {"command sbatch", "command squeue", "command sacct", "controller"}
    assert (
        "remedy: say where Slurm's commands are in scheduler.environment"
        in (told["command sbatch"])
    )


def test_the_queues_of_front_ends_and_the_way_of_replies_are_looked_at(check: Check) -> None:
    def understand(configuration: Configuration) -> None:
        queue = f"{configuration['site']['name']}.ml_tasks"
        configuration["mlexchange"] = {"queues": [queue]}

    done = check(understand)
    assert wrong(done) == {}
    assert "replies can be sent" in done.stdout
    assert "ml_tasks is not there yet; the bridge makes it" in done.stdout
