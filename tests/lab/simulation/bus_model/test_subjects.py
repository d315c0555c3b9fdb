"""Subjects: validity, matching, overlap, mapping."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.simulation.bus_model.errors import NotModeledError
from lab.simulation.bus_model.subjects import Mapping, SubjectIndex, collide, is_match, is_valid

TOKENS = st.sampled_from(["a", "b", "*"])
PATTERNS = st.builds(
    lambda tokens, end: ".".join([*tokens, *end]),
    st.lists(TOKENS, max_size=3),
    st.sampled_from([["a"], [">"]]),
)
SUBJECTS = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("subject", "valid"),
    [
        ("a.b", True),
        ("a.*.>", True),
        ("a.>b", True),
        ("", False),
        ("a..b", False),
        (">.a", False),
        ("a b", False),
    ],
)
def test_validity(subject: str, valid: bool) -> None:
    assert is_valid(subject) is valid


@pytest.mark.parametrize(
    ("subject", "pattern", "matches"),
    [
        ("a.b", "a.*", True),
        ("a", "a.>", False),
        ("a.b.c", "a.>", True),
        ("a.b.c", "a.*", False),
        ("a.>", "a.*", False),
    ],
)
def test_matching(subject: str, pattern: str, matches: bool) -> None:
    assert is_match(subject, pattern) is matches


@given(SUBJECTS, st.lists(PATTERNS, max_size=6))
def test_the_index_finds_what_matches(subject: str, patterns: list[str]) -> None:
    index: SubjectIndex[int] = SubjectIndex()
    for number, pattern in enumerate(patterns):
        index.add(pattern, number)
    for number in range(0, len(patterns), 3):
        index.remove(patterns[number], number)

    expected = [n for n, pattern in enumerate(patterns) if n % 3 and is_match(subject, pattern)]
    assert sorted(index.match(subject)) == expected


@given(SUBJECTS, PATTERNS, PATTERNS)
def test_patterns_with_a_common_subject_collide(subject: str, one: str, other: str) -> None:
    if is_match(subject, one) and is_match(subject, other):
        assert collide(one, other)


def test_a_mapping_keeps_what_the_wildcards_stand_for() -> None:
    assert Mapping("market.>", "live.market.>").apply("market.sim.ticker") == "live.market.sim.ticker"
    assert Mapping("a.*.b.*", "*.x.*").apply("a.1.b.2") == "1.x.2"
    assert Mapping("a.>", "b.>").apply("c.d") == ""


def test_wildcards_of_a_mapping_must_fit() -> None:
    with pytest.raises(ValueError, match="cannot be mapped"):
        Mapping("a.*", "b")
    with pytest.raises(NotModeledError):
        Mapping("a.*", "b.{{partition(3,1)}}")
