"""What a site says about jobs of MLExchange front ends: look-ups."""

import pytest
from unit.mlexchange_messages import RULES

from bridge.core.mlexchange import MlexchangeRules, in_a_circle, last_of


def test_an_image_is_called_what_the_site_says() -> None:
    assert RULES.image("segmentation") == "/images/segmentation.sif"


def test_every_other_image_gets_the_prefix() -> None:
    assert RULES.image("mlexchange1/forest:1.1") == "docker://mlexchange1/forest:1.1"
    assert MlexchangeRules().image("mlexchange1/forest:1.1") == "mlexchange1/forest:1.1"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("/data/mlex_repo/a/b", "/srv/mlex/a/b"),
        ("/data/mlex_repo", "/srv/mlex"),
        ("/data/mlex_repo/public/c", "/public/c"),
        ("/data/mlex_repository", "/data/mlex_repository"),
        ("/elsewhere", "/elsewhere"),
    ],
)
def test_a_folder_is_called_what_the_first_entry_that_fits_says(theirs: str, ours: str) -> None:
    assert RULES.folder(theirs) == ours


def test_the_catalogue_knows_its_tasks_and_no_others() -> None:
    found = RULES.task("dlsia", "train")
    assert found is not None
    assert found.image == "/images/dlsia.sif"
    assert RULES.task("dlsia", "tune") is None
    assert RULES.task("other", "train") is None
    assert RULES.offers == ("dlsia train", "dlsia inference")


def test_all_is_over_with_the_jobs_that_nobody_waits_for() -> None:
    assert last_of(1, {}) == {0}
    assert last_of(3, {1: [0], 2: [1]}) == {2}
    assert last_of(3, {1: [0], 2: [0]}) == {1, 2}


def test_jobs_that_wait_for_each_other_are_found() -> None:
    assert in_a_circle({}) == frozenset()
    assert in_a_circle({1: [0], 2: [0, 1]}) == frozenset()
    assert in_a_circle({0: [0]}) == {0}
    assert in_a_circle({0: [1], 1: [0], 2: [1], 3: [4], 4: []}) == {0, 1, 2}
