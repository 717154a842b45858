"""What reading jobs' files keeps to: on this machine, over SFTP, and in memory."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ssh_site import connected, login_node
from testbed import Testbed

from bridge.adapters.local_folders import LocalFiles
from bridge.adapters.ssh import SshFiles
from bridge.core.errors import UnavailableError
from bridge.core.job import JobId
from bridge.ports import FileRange, JobFile, JobFiles, Piece
from bridge.testing.files import FakeFiles

JOB = JobId("7c9e6679-7425-40de-944b-e07fc1f90ae7")
OTHER = JobId("0e7e3c9b-91c4-4e4b-a7f4-1d7f0f0b3c55")
WAYS = ["on this machine", pytest.param("over SFTP", marks=pytest.mark.testbed)]

Write = Callable[[JobId, str, bytes], None]


class Files:
    """A work root, and who reads there."""

    def __init__(self, files: JobFiles, write: Write, root: Path) -> None:
        self.files = files
        self.write = write
        self.root = root

    def read(self, name: str, start: int = 0, length: int = 1000, *, job: JobId = JOB) -> object:
        file = JobFile(job_id=job, name=name)
        (piece,) = self.files.read([FileRange(file=file, start=start, length=length)])
        return piece

    def size(self, name: str, *, job: JobId = JOB) -> int | None:
        (size,) = self.files.sizes([JobFile(job_id=job, name=name)])
        return size


@contextmanager
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Files]:
    """The way that the fixture's parameter names."""
    if request.param == "in memory":
        fake = FakeFiles()
        yield Files(fake, fake.append, tmp_path)
        return
    if request.param == "on this machine":
        yield Files(LocalFiles(str(tmp_path)), _writer(tmp_path, None), tmp_path)
        return
    testbed: Testbed = request.getfixturevalue("testbed")
    root: Path = request.getfixturevalue("user_folder")
    with connected(login_node(testbed)) as connection:
        yield Files(SshFiles(connection, str(root)), _writer(root, testbed.user), root)


@pytest.fixture(params=[*WAYS, "in memory"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Files]:
    with opened(request, tmp_path) as files:
        yield files


@pytest.fixture(params=WAYS)
def on_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Files]:
    """Where there is a file system."""
    with opened(request, tmp_path) as files:
        yield files


def _writer(root: Path, user: str | None) -> Write:
    def write(job_id: JobId, name: str, data: bytes) -> None:
        path = root / job_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data)
        if user is not None:
            for it in (path, *path.parents):
                if it.is_relative_to(root / job_id):
                    shutil.chown(it, user)

    return write


def test_any_range_is_read_as_it_is_with_the_size_of_the_whole(there: Files) -> None:
    there.write(JOB, "stdout", b"caf\xc3\xa9\x00\xff\n")
    assert there.read("stdout") == Piece(data=b"caf\xc3\xa9\x00\xff\n", size=8)
    assert there.read("stdout", 3, 2) == Piece(data=b"\xc3\xa9", size=8)
    assert there.read("stdout", 6, 100) == Piece(data=b"\xff\n", size=8)
    assert there.read("stdout", 8) == Piece(data=b"", size=8)
    assert there.read("stdout", 5000) == Piece(data=b"", size=8)


def test_a_long_range_is_whole(there: Files) -> None:
    content = bytes(range(256)) * 1025
    there.write(JOB, "artifacts/model", content)
    assert there.read("artifacts/model", 0, len(content)) == Piece(data=content, size=len(content))
    assert there.read("artifacts/model", 7, 200_000) == Piece(
        data=content[7:200_007], size=len(content)
    )


def test_a_file_that_grows_is_read_on_from_where_it_was(there: Files) -> None:
    there.write(JOB, "stdout", b"one\n")
    assert there.size("stdout") == 4
    there.write(JOB, "stdout", b"two\n")
    assert there.size("stdout") == 8
    assert there.read("stdout", 4) == Piece(data=b"two\n", size=8)


def test_many_are_read_at_once_each_in_its_place(there: Files) -> None:
    names = [f"artifacts/{number}" for number in range(100)]
    for name in names[::2]:
        there.write(JOB, name, name.encode())
    files = [JobFile(job_id=JOB, name=it) for it in names]
    pieces = there.files.read([FileRange(file=it, start=0, length=100) for it in files])
    assert [it and it.data for it in pieces] == [
        name.encode() if number % 2 == 0 else None for number, name in enumerate(names)
    ]
    assert there.files.sizes(files) == tuple(
        len(name) if number % 2 == 0 else None for number, name in enumerate(names)
    )
    assert there.files.read([]) == ()
    assert there.files.sizes([]) == ()


@pytest.mark.parametrize("name", ["stdout", "artifacts/x", "stdout/x"])
def test_what_is_not_there_is_none(there: Files, name: str) -> None:
    assert (there.read(name), there.size(name)) == (None, None)
    if name == "stdout/x":
        there.write(JOB, "stdout", b"words")
    else:
        there.write(JOB, "stderr", b"words")
    assert (there.read(name), there.size(name)) == (None, None)
    assert there.read("stdout", job=OTHER) is None


@pytest.mark.parametrize("name", ["", ".", "..", "../secret", "a/../../secret", "/etc/passwd"])
def test_a_path_that_leads_elsewhere_is_of_no_file(there: Files, name: str) -> None:
    there.write(JOB, "stdout", b"words")
    there.root.joinpath("secret").write_bytes(b"secret")
    assert (there.read(name), there.size(name)) == (None, None)


def test_no_link_is_followed_on_any_part_of_the_way(on_disk: Files) -> None:
    on_disk.write(JOB, "artifacts/real", b"words")
    outside = on_disk.root / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    folder = on_disk.root / JOB
    (folder / "artifacts" / "file").symlink_to(outside / "secret")
    (folder / "artifacts" / "folder").symlink_to(outside)
    (folder / "artifacts" / "inside").symlink_to(folder / "artifacts" / "real")
    (on_disk.root / OTHER).symlink_to(outside)
    for name in ("artifacts/file", "artifacts/folder/secret", "artifacts/inside"):
        assert (on_disk.read(name), on_disk.size(name)) == (None, None)
    assert (on_disk.read("secret", job=OTHER), on_disk.size("secret", job=OTHER)) == (None, None)
    assert on_disk.read("artifacts/real") == Piece(data=b"words", size=5)


def test_what_is_no_regular_file_stops_nobody(on_disk: Files) -> None:
    on_disk.write(JOB, "stdout", b"words")
    os.mkfifo(on_disk.root / JOB / "pipe")
    assert (on_disk.read("pipe"), on_disk.size("pipe")) == (None, None)
    on_disk.write(JOB, "artifacts/x", b"")
    assert (on_disk.read("artifacts"), on_disk.size("artifacts")) == (None, None)
    assert on_disk.read("stdout") == Piece(data=b"words", size=5)


@pytest.mark.testbed
def test_a_file_that_may_not_be_read_is_none_over_sftp(testbed: Testbed, user_folder: Path) -> None:
    path = user_folder / JOB / "stdout"
    path.parent.mkdir()
    path.write_bytes(b"root's")
    path.chmod(0o600)
    with connected(login_node(testbed)) as connection:
        files = SshFiles(connection, str(user_folder))
        wanted = FileRange(file=JobFile(job_id=JOB, name="stdout"), start=0, length=9)
        assert files.read([wanted]) == (None,)


def test_what_the_system_cannot_read_is_unavailable() -> None:
    process = JobId(str(os.getpid()))
    memory = JobFile(job_id=process, name="mem")  # read(2) gives EIO at address 0
    with pytest.raises(UnavailableError, match=f"/proc/{process}/mem"):
        LocalFiles("/proc").read([FileRange(file=memory, start=0, length=1)])
