"""What a job message may not say, and the words with which it is refused."""

import json

import pytest
from unit.job_messages import ID, LEAST, accepted, message, problem, problems

from bridge.core.errors import InvalidRequestError
from bridge.wire.request import read_job

UUID_WANTED = "job_id: a UUID is wanted, such as 123e4567-e89b-12d3-a456-426614174000"
NAME_WANTED = (
    "a letter or digit is wanted, then letters, digits, spaces and any of ._,:+@()/=- (no accents)"
)
WORD_WANTED = "a letter or digit is wanted, then letters, digits and any of _.&|:*-"
IMAGE_WANTED = (
    "image: an image's name or path is wanted: a letter, digit or / first, "
    "then letters, digits and any of _./:@+=-"
)
VARIABLE_WANTED = "a variable's name is wanted: letters, digits and _, no digit first"
OBJECT_WANTED = "an object with named fields is wanted"
PATH_WANTED = "an absolute path without '..' is wanted"
CONTROL = "control characters are not accepted in a path"
MEMORY_WANTED = "resources.memory: a size such as 512M, 16G or 1T is wanted"
TIME_WANTED = "resources.walltime: a time as HH:MM:SS or D-HH:MM:SS is wanted, such as 01:30:00"

NUL = "a NUL character cannot be passed to a program"
COMMAND_WANTED = "command: a list of arguments, or one line of text, is wanted"


@pytest.mark.parametrize("field", list(LEAST))
def test_each_required_field_is_missed_by_its_name(field: str) -> None:
    rest = {key: value for key, value in LEAST.items() if key != field}
    assert problems(json.dumps(rest).encode()) == [f"{field}: missing, and required"]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"resources": {"ram": 5}}, "resources.ram"),
        ({"mounts": [{"source": "/a", "target": "/b", "mode": "rw"}]}, "mounts.0.mode"),
        ({"line": "true"}, "line"),
    ],
)
def test_an_unknown_field_is_named_with_its_place(fields: dict[str, object], where: str) -> None:
    assert (
        problem(**fields) == f"{where}: unknown field; see the documentation of the accepted ones"
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"walltime": "01:00:00"}, "walltime: unknown field; did you mean resources.walltime?"),
        ({"gpu": 2}, "gpu: unknown field; did you mean resources.gpus?"),
        ({"imagee": "/x.sif"}, "imagee: unknown field; did you mean image?"),
        (
            {"resources": {"memory_mib": 5}},
            "resources.memory_mib: unknown field; did you mean resources.memory?",
        ),
        (
            {"mounts": [{"source": "/a", "target": "/b", "readonly": True}]},
            "mounts.0.readonly: unknown field; did you mean mounts.0.read_only?",
        ),
    ],
)
def test_of_an_unknown_field_the_one_that_may_be_meant_is_named(
    fields: dict[str, object], words: str
) -> None:
    assert problem(**fields) == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"version": 2}, "version: accepted: 1 (found 2)"),
        ({"version": "1"}, "version: accepted: 1 (found '1')"),
        ({"job_id": "x"}, f"{UUID_WANTED} (found 'x')"),
        ({"job_id": 7}, f"{UUID_WANTED} (found 7)"),
        ({"job_id": None}, f"{UUID_WANTED} (found null)"),
        ({"site": 7}, "site: text is wanted (found 7)"),
        ({"site": "elsewhere"}, "site: the job is meant for 'elsewhere', and this is 'testbed'"),
        ({"name": "M\u00fcller"}, f"name: {NAME_WANTED} (found 'M\u00fcller')"),
        ({"name": ""}, f"name: {NAME_WANTED} (found '')"),
        ({"name": "a\n"}, f"name: {NAME_WANTED} (found 'a\\n')"),
        ({"name": "a\n#SBATCH --uid=0"}, f"name: {NAME_WANTED} (found 'a\\n#SBATCH --uid=0')"),
        ({"name": "$(id)"}, f"name: {NAME_WANTED} (found '$(id)')"),
        ({"name": True}, "name: text is wanted (found true)"),
        (
            {"kind": "fun"},
            "kind: accepted: 'training', 'deployment' or 'other' (found 'fun')",
        ),
        ({"image": "a b"}, f"{IMAGE_WANTED} (found 'a b')"),
        ({"image": "-x"}, f"{IMAGE_WANTED} (found '-x')"),
        ({"image": 3}, "image: text is wanted (found 3)"),
        ({"command": 5}, f"{COMMAND_WANTED} (found 5)"),
        ({"command": None}, f"{COMMAND_WANTED} (found null)"),
        ({"command": []}, "command: at least 1 wanted (found [])"),
        ({"command": ""}, "command: at least 1 character wanted (found '')"),
        ({"command": ["a", 1]}, "command.1: text is wanted (found 1)"),
        ({"command": ["a\0"]}, f"command.0: {NUL} (found 'a\\x00')"),
        ({"command": "a\0"}, f"command: {NUL} (found 'a\\x00')"),
        ({"params": [1]}, f"params: {OBJECT_WANTED} (found [1])"),
        ({"env": None}, f"env: {OBJECT_WANTED} (found null)"),
        ({"env": {"A": 1}}, "env.A: text is wanted (found 1)"),
        ({"env": {"A": "\0"}}, f"env.A: {NUL} (found '\\x00')"),
        ({"env": {"A B": ""}}, f"env.A B: {VARIABLE_WANTED} (found 'A B')"),
        ({"env": {"1A": ""}}, f"env.1A: {VARIABLE_WANTED} (found '1A')"),
        ({"env": {"A\n": ""}}, f"env.'A\\n': {VARIABLE_WANTED} (found 'A\\n')"),
        ({"mounts": {}}, "mounts: a list is wanted (found {})"),
        ({"mounts": [1]}, f"mounts.0: {OBJECT_WANTED} (found 1)"),
        ({"mounts": [{"source": "/a"}]}, "mounts.0.target: missing, and required"),
        (
            {"mounts": [{"source": "a", "target": "/b"}]},
            f"mounts.0.source: {PATH_WANTED} (found 'a')",
        ),
        (
            {"mounts": [{"source": "/a/../b", "target": "/b"}]},
            f"mounts.0.source: {PATH_WANTED} (found '/a/../b')",
        ),
        (
            {"mounts": [{"source": "/a\n", "target": "/b"}]},
            f"mounts.0.source: {CONTROL} (found '/a\\n')",
        ),
        (
            {"mounts": [{"source": "/a", "target": "/b", "read_only": 1}]},
            "mounts.0.read_only: true or false is wanted (found 1)",
        ),
        ({"resources": None}, f"resources: {OBJECT_WANTED} (found null)"),
        (
            {"resources": {"nodes": 0}},
            "resources.nodes: at least 1 is wanted (found 0)",
        ),
        ({"resources": {"nodes": True}}, "resources.nodes: a whole number is wanted (found true)"),
        ({"resources": {"tasks": 1.5}}, "resources.tasks: a whole number is wanted (found 1.5)"),
        (
            {"resources": {"gpus": -1}},
            "resources.gpus: at least 0 is wanted (found -1)",
        ),
        (
            {"resources": {"cpus_per_task": "2"}},
            "resources.cpus_per_task: a whole number is wanted (found '2')",
        ),
        ({"resources": {"memory": "16"}}, f"{MEMORY_WANTED} (found '16')"),
        ({"resources": {"memory": "16GB"}}, f"{MEMORY_WANTED} (found '16GB')"),
        ({"resources": {"walltime": "10:30"}}, f"{TIME_WANTED} (found '10:30')"),
        (
            {"resources": {"walltime": "00:00:00"}},
            "resources.walltime: a time above zero is wanted (found '00:00:00')",
        ),
        ({"resources": {"walltime": 60}}, "resources.walltime: text is wanted (found 60)"),
        ({"resources": {"partition": "a b"}}, f"resources.partition: {WORD_WANTED} (found 'a b')"),
        ({"resources": {"qos": "-x"}}, f"resources.qos: {WORD_WANTED} (found '-x')"),
        ({"resources": {"account": "a\n"}}, f"resources.account: {WORD_WANTED} (found 'a\\n')"),
        ({"resources": {"constraint": ""}}, f"resources.constraint: {WORD_WANTED} (found '')"),
        ({"labels": {"a": 1}}, "labels.a: text is wanted (found 1)"),
        ({"labels": {"": "x"}}, f"labels.: {NAME_WANTED} (found '')"),
        ({"labels": {str(it): "" for it in range(101)}}, "labels: at most 100 accepted"),
        ({"user": "a;b"}, f"user: {NAME_WANTED} (found 'a;b')"),
    ],
)
def test_a_bad_value_is_answered_in_these_words(fields: dict[str, object], words: str) -> None:
    found = problem(**fields)
    assert found == words or (words.endswith("accepted") and found.startswith(words))


@pytest.mark.parametrize(("field", "longest"), [("name", 100), ("user", 100), ("image", 1000)])
def test_a_text_has_a_length_that_is_told(field: str, longest: int) -> None:
    accepted(**{field: "x" * longest})
    words = problem(**{field: "x" * (longest + 1)})
    assert words.startswith(f"{field}: at most {longest} characters are accepted (found 'xxx")
    assert words.endswith("...)")


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"job"', b"true"])
def test_a_message_that_is_no_object_is_told_so(body: bytes) -> None:
    found = body.decode().replace('"', "'")
    assert problems(body) == [f"{OBJECT_WANTED} (found {found})"]


def test_every_problem_is_told_at_once() -> None:
    found = problems(message(name="", kind="fun", resources={"nodes": 0, "memory": "1"}, extra=1))
    assert [it.split(":")[0] for it in found] == [
        "name",
        "kind",
        "resources.nodes",
        "resources.memory",
        "extra",
    ]


def test_a_rejection_knows_the_job_where_its_id_can_be_read() -> None:
    for fields in ({"name": ""}, {"site": "elsewhere"}, {"job_id": ID.upper(), "name": ""}):
        with pytest.raises(InvalidRequestError) as refusal:
            accepted(**fields)
        assert refusal.value.job_id == ID
    for body in (message(job_id="x"), message(job_id=7), b"[]", b"{", b'{"version": 1}'):
        with pytest.raises(InvalidRequestError) as refusal:
            read_job(body, site="testbed")
        assert refusal.value.job_id is None


def test_the_answer_to_a_hostile_message_stays_short() -> None:
    many = {f"field{it}": 1 for it in range(10_000)}
    found = problems(message(**many))
    assert len(found) == 21
    assert found[-1] == "and 9980 more problems"
    for fields in (
        {"k" * 10_000: 1},
        {"name": "x" * 10_000},
        {"site": "x" * 10_000},
        {"env": {"k " * 10_000: "x"}},
        {"name": [[["x" * 10_000]]]},
    ):
        assert len(problem(**fields)) < 300


def test_a_field_with_control_characters_is_shown_escaped() -> None:
    assert problem(**{"\x1b[31mred": 1}).startswith("'\\x1b[31mred': unknown field")


def test_a_field_is_named_even_when_it_is_called_like_a_word_of_pydantics() -> None:
    assert problem(**{"[key]": 1}).startswith("[key]: unknown field")
    assert problem(env={"line": 1}) == "env.line: text is wanted (found 1)"
    found = problems(message(labels={"[key]": 1}))
    assert "labels.[key]: text is wanted (found 1)" in found


def test_what_would_be_passed_over_in_silence_is_refused() -> None:
    fields = {"params_format": "json", "params_path": "/p", "params_as_argument": True}
    assert problems(message(**fields, resources={"gpu_type": "a100"})) == [
        "params_format: has no effect without params",
        "params_path: has no effect without params",
        "params_as_argument: has no effect without params",
        "resources.gpu_type: has no effect without gpus",
    ]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"params_format": "toml"}, "params_format"),
        ({"params_path": "params.yaml"}, "params_path"),
        ({"params_path": "/a/../b"}, "params_path"),
        ({"params_as_argument": "yes"}, "params_as_argument"),
        ({"secrets": {"A": "../etc/shadow"}}, "secrets.A"),
        ({"secrets": {"A": ""}}, "secrets.A"),
        ({"secrets": {"A": {"file": "/x"}}}, "secrets.A"),
        ({"secrets": {"A-B": "x"}}, "secrets.A-B"),
        ({"secrets": ["x"]}, "secrets"),
        ({"priority": 1.5}, "priority"),
        ({"priority": 2**31}, "priority"),
        ({"resources": {"gpus": 1, "gpu_type": "a100:2"}}, "resources.gpu_type"),
        ({"resources": {"gpus": 1, "gpu_type": "4"}}, "resources.gpu_type"),
    ],
)
def test_odd_params_secrets_priorities_and_types_are_refused(
    fields: dict[str, object], where: str
) -> None:
    assert problem(params={}, **fields).startswith(f"{where}: ")
