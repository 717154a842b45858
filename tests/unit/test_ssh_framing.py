"""Commands as text for a shell, and their answers between what is none of theirs: real shells."""

import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapters.ssh.framing import Frame, exit_code, remote_command

TOKEN, END = "0123456789abcdef", "fedcba9876543210"
MOST = 1_000_000
SHELLS = [it for it in ("sh", "bash", "dash", "zsh", "ksh", "mksh", "yash") if shutil.which(it)]

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
pieces = st.binary(max_size=60)


def run(
    argv: list[str], *, login_shell: str = "/bin/sh", stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """As sshd does it: the user's shell with `-c` and the text."""
    return subprocess.run(
        [login_shell, "-c", remote_command(TOKEN, argv)],
        input=f"{END}\n{stdin}".encode(),
        capture_output=True,
        env={"PATH": os.defpath} | variables,
        check=False,
        timeout=60,
    )


def read(said: bytes, opening: str) -> Frame:
    frame = Frame(opening, END)
    frame.hear(said)
    return frame


# --- quoting --------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(arguments=st.lists(words, max_size=5))
def test_arguments_reach_a_command_as_they_are(arguments: list[str]) -> None:
    done = run(["printf", r"%s\0", *arguments])
    told = read(done.stdout, TOKEN)
    expected = "".join(f"{it}\0" for it in arguments or [""])
    assert (told.code, told.text(MOST)) == (0, expected)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_that_quotes_like_sh_hands_on_hostile_words(shell: str) -> None:
    hostile = "; exit 9; $(id) `id` '\" \\ \n\r\t !! * ? ~ # {a,b} <x >y & | \x1f é"
    done = run(["printf", "%s", hostile, ""], login_shell=shell)
    assert read(done.stdout, TOKEN).text(MOST) == hostile


def test_an_argument_with_a_nul_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        remote_command(TOKEN, ["echo", "a\0b"])


# --- running --------------------------------------------------------------------------------------


def test_a_command_is_run_when_it_is_told_to_and_not_before(tmp_path: os.PathLike[str]) -> None:
    argv = ["touch", f"{tmp_path}/ran"]
    command = ["/bin/sh", "-c", remote_command(TOKEN, argv)]
    for said in (b"", b"\n", END.encode()):
        subprocess.run(command, input=said, check=False, capture_output=True, timeout=60)
        assert os.listdir(tmp_path) == []  # noqa: PTH208
    subprocess.run(command, input=f"{END}\n".encode(), check=True, timeout=60, capture_output=True)
    assert os.listdir(tmp_path) == ["ran"]  # noqa: PTH208


@pytest.mark.parametrize("code", [0, 1, 7, 128, 255])
def test_a_code_is_the_commands_own(code: int) -> None:
    done = run(["/bin/sh", "-c", f"exit {code}"])
    assert read(done.stdout, TOKEN).code == code
    assert read(done.stderr, END).code == code


def test_stdin_is_the_commands_from_its_first_byte_to_its_last() -> None:
    text = "first\n\nlast without a line feed"
    assert read(run(["cat"], stdin=text).stdout, TOKEN).text(MOST) == text


def test_the_mark_of_the_end_is_not_among_the_arguments_or_variables() -> None:
    said = run(["/bin/sh", "-c", "env; cat /proc/$PPID/cmdline"]).stdout
    assert END not in read(said, TOKEN).text(MOST)


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_variables_that_would_change_slurms_commands_are_not_handed_on(shell: str) -> None:
    done = run(
        ["env"],
        login_shell=shell,
        SBATCH_PARTITION="debug",
        SLURM_CONF="/etc/other.conf",
        SQUEUE_FORMAT="%i",
        SACCT_FORMAT="jobid",
        APPTAINERENV_A="x y",
        SINGULARITY_BIND="/",
        SHIFTER_IMAGE="x",
        SLURMISH="stays",
        HOME="/home/ada",
        ODD="a\nexport SLURM_X-y=1\nb HOME=2",
    )
    told = read(done.stdout, TOKEN).text(MOST)
    scrubbed = ("SBATCH_", "SLURM_CONF", "SQUEUE_", "SACCT_", "APPTAINER", "SINGULARITY", "SHIFTER")
    assert not [it for it in told.splitlines() if it.startswith(scrubbed)]
    assert "SLURMISH=stays\n" in told
    assert "HOME=/home/ada\n" in told
    assert "ODD=a\nexport SLURM_X-y=1\nb HOME=2\n" in told
    assert read(done.stderr, END).text(MOST) == ""


@pytest.mark.parametrize(
    "argv",
    [
        ["env", "A=1", "B=2 3\n'\"", "PATH=/nowhere:/usr/bin:/bin", "sh", "-c", 'echo "$A" "$B"'],
        ["env", "sh", "-c", "echo $A"],
        ["env", "A=1"],
        ["env", "A=1", "-u", "A", "sh", "-c", "echo $A"],
        ["env", "A=1", "sh", "-c", 'echo "$*"', "sh", "C=3", "env", "D=4"],
        ["env", "A=1", "nonexistent"],
        ["env", "PATH=/nowhere", "sh"],
        ["env", "ä=1", "sh", "-c", "env | grep =1"],
        ["env", "A=1", "env", "A=2", "sh", "-c", "echo $A"],
    ],
)
def test_variables_are_set_as_env_sets_them(argv: list[str]) -> None:
    plain = subprocess.run(
        argv, capture_output=True, env={"PATH": os.defpath}, check=False, timeout=60
    )
    told = read(run(argv).stdout, TOKEN)
    assert told.code == plain.returncode
    ours, env = (
        sorted(it for it in text.splitlines() if not it.startswith(("PWD=", "_=", "OLDPWD=")))
        for text in (told.text(MOST), plain.stdout.decode())
    )
    assert ours == env


# --- framing --------------------------------------------------------------------------------------


def framed(before: bytes, text: bytes, code: int, after: bytes) -> bytes:
    return before + f"{TOKEN} ready\n".encode() + text + f"{END} {code}\n".encode() + after


@given(before=pieces, text=pieces, after=pieces, code=st.integers(0, 255), size=st.integers(1, 50))
def test_an_answer_is_what_stands_between_its_marks_however_it_is_cut_up(
    before: bytes, text: bytes, after: bytes, code: int, size: int
) -> None:
    said = framed(before, text, code, after)
    frame = Frame(TOKEN, END)
    for at in range(0, len(said), size):
        frame.hear(said[at : at + size])
    assert frame.is_open
    assert frame.code == code
    assert frame.text(MOST) == text.decode(errors="replace")


@given(said=st.integers(0, 100))
def test_an_answer_that_breaks_off_has_no_code(said: int) -> None:
    whole = framed(b"Welcome\n", b"4711\n", 0, b"")
    frame = read(whole[: min(said, len(whole) - 1)], TOKEN)
    assert frame.code is None


def test_words_that_look_like_marks_are_text() -> None:
    text = f"{TOKEN} ready\n{END} no number\n{END}\n{END} 1000\n{END}"
    frame = read(framed(b"", text.encode(), 3, b""), TOKEN)
    assert (frame.code, frame.text(MOST)) == (3, text)


def test_what_came_before_is_kept_for_a_person_to_read() -> None:
    frame = read(b"This account is closed.\n", TOKEN)
    assert not frame.is_open
    assert frame.before(9) == " closed.\n"
    assert frame.heard == 24


def test_a_bounded_answer_is_no_longer_than_its_bound() -> None:
    assert read(framed(b"", b"0123456789", 0, b""), TOKEN).text(4) == "0123"


@pytest.mark.parametrize(
    ("told", "code"),
    [(0, 0), (127, 127), (128, 128), (129, -1), (143, -15), (192, -64), (255, 255)],
)
def test_a_shells_word_for_a_signal_is_read_as_one(told: int, code: int) -> None:
    assert exit_code(told) == code
