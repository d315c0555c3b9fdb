"""Subject filters: matching, overlap, and one filter that covers several."""

import pytest

from bus import Rejected
from bus.client.subject_filters import SubjectFilters, check_disjoint, covering


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("order.sim.A.report", "order.sim.A.report", True),
        ("order.*.A.report", "order.sim.A.report", True),
        ("order.>", "order.sim.A.report", True),
        ("order.>", "order", False),
        ("order.*.A", "order.sim.A.report", False),
        ("order.*.*.*.*", "order.sim.A.report", False),
        ("$KV.symbols.>", "$KV.symbols.sim.A", True),
    ],
)
def test_wildcards_match_tokens(pattern: str, subject: str, expected: bool) -> None:
    assert SubjectFilters([pattern]).matches(subject) is expected


@pytest.mark.parametrize("filters", [["a.b", "a.b"], ["a.*", "a.b"], ["a.>", "a.*.c"], ["a.*.c", "a.b.*"]])
def test_filters_that_match_the_same_subject_are_rejected(filters: list[str]) -> None:
    with pytest.raises(Rejected, match="overlap"):
        check_disjoint(filters)


@pytest.mark.parametrize("filters", [["a.b", "a.c"], ["a.*", "a.b.c"], ["a.*.c", "a.*.d"], ["a.>", "b.>"]])
def test_filters_without_a_common_subject_are_accepted(filters: list[str]) -> None:
    check_disjoint(filters)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["a.b.c"], "a.b.c"),
        (["a.b.c", "a.b.d"], "a.b.*"),
        (["a.b.c", "a.*.d"], "a.*.*"),
        (["a.b", "a.b.c"], "a.>"),
        (["a.b.c", "a.>"], "a.>"),
        (["a.b", "c.d.e"], "*.>"),
    ],
)
def test_one_filter_covers_several(filters: list[str], expected: str) -> None:
    assert covering(filters) == expected
