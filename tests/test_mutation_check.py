"""The list of mutations keeps up with the code; that each is noticed, `python tests/mutation_check.py` says."""

import pytest

from tests.mutation_check import MUTATIONS, PROJECT, Mutation, problems_of


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[each.behaviour for each in MUTATIONS])
def test_text_that_a_mutation_replaces_is_there(mutation: Mutation) -> None:
    assert problems_of(mutation, PROJECT) == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[each.behaviour for each in MUTATIONS])
def test_tests_that_must_notice_a_mutation_are_there(mutation: Mutation) -> None:
    for test in mutation.tests:
        file, _, name = test.partition("::")
        assert (PROJECT / file).is_file()
        assert not name or f"def {name}(" in (PROJECT / file).read_text(encoding="utf-8")


def test_there_are_many_and_no_two_alike() -> None:
    assert len({each.behaviour for each in MUTATIONS}) == len(MUTATIONS) >= 25
