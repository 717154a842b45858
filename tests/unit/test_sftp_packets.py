"""SFTP's bytes, as the draft has them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.ssh import sftp_packets as packets
from bridge.adapters.ssh.sftp_packets import Entry, Kind, Reply, Status


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def status(code: int, words: bytes = b"words") -> Reply:
    return Reply(101, number(code) + string(words) + string(b"en"))


def test_a_request_is_its_length_kind_number_and_arguments() -> None:
    packet = packets.make_folder("/a", mode=0o750).packet(7)
    body = b"\x0e" + number(7) + string(b"/a") + number(4) + number(0o750)
    assert packet == number(len(body)) + body


def test_a_new_file_must_not_be_there_and_belongs_to_few() -> None:
    packet = packets.open_new("/ä", mode=0o640).packet(1)
    assert packet[4:] == b"\x03" + number(1) + string("/ä".encode()) + number(
        0x2 | 0x8 | 0x20
    ) + number(4) + number(0o640)


def test_reads_and_writes_name_their_place() -> None:
    assert packets.write(b"h", 2**40, b"data").body == string(b"h") + (2**40).to_bytes(
        8, "big"
    ) + string(b"data")
    assert packets.read(b"h", 513).body == string(b"h") + bytes(8) + number(513)


def test_a_link_is_asked_for_in_the_order_of_openssh() -> None:
    assert packets.link("/claim", "4711").body == string(b"4711") + string(b"/claim")


def test_an_extension_is_called_by_its_name() -> None:
    request = packets.rename("/a", "/b")
    assert (request.kind, request.body) == (
        200,
        string(b"posix-rename@openssh.com") + string(b"/a") + string(b"/b"),
    )


def test_a_name_that_is_no_utf_8_goes_and_comes_as_it_is() -> None:
    body = number(1) + string(b"a\xff") + string(b"-rw a") + number(0)
    (entry,) = Reply(104, body).entries() or ()
    assert packets.about(Kind.REMOVE, entry.name).body == string(b"a\xff")


@pytest.mark.parametrize(
    ("code", "error"), [(2, FileNotFoundError), (3, PermissionError), (4, OSError), (8, OSError)]
)
def test_a_status_that_is_not_ok_is_an_error_in_the_servers_words(
    code: int, error: type[OSError]
) -> None:
    with pytest.raises(error, match="words") as caught:
        status(code).check()
    assert type(caught.value) is error
    assert status(code).status == code


def test_an_ok_is_no_error_and_no_answer_either() -> None:
    status(0).check()
    with pytest.raises(OSError, match="HANDLE is wanted"):
        status(0).handle()


def test_answers_are_read() -> None:
    assert Reply(102, string(b"h")).handle() == b"h"
    assert Reply(103, string(b"data")).data() == b"data"
    assert status(Status.END).data() == b""
    assert Reply(105, number(4) + number(0o40750)).mode() == 0o40750
    assert Reply(105, number(0)).mode() == 0


def test_a_folder_is_read_with_all_that_a_server_may_say_of_a_file() -> None:
    everything = (
        number(0x1 | 0x2 | 0x4 | 0x8 | 0x80000000)
        + bytes(8)
        + number(1000)
        + number(1000)
        + number(0o100640)
        + number(1)
        + number(1772366400)
        + number(1)
        + string(b"name")
        + string(b"value")
    )
    body = number(2) + (string(b"a") + string(b"long") + everything) * 2
    entry = Entry(name="a", mode=0o100640, modified=1772366400)
    assert Reply(104, body).entries() == (entry, entry)
    assert status(Status.END).entries() is None


def test_what_the_server_can_do_besides_is_read_from_its_greeting() -> None:
    body = string(b"fsync@openssh.com") + string(b"1") + string(b"x") + string(b"")
    assert Reply(2, body).extensions() == {"fsync@openssh.com", "x"}


@given(kind=st.integers(0, 255), body=st.binary(max_size=100))
def test_an_answer_of_any_bytes_is_read_or_an_error(kind: int, body: bytes) -> None:
    for read in ("check", "handle", "data", "mode", "entries", "extensions"):
        with suppress(OSError):
            getattr(Reply(kind, body), read)()
