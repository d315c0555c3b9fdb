"""The model of the bus and the real nats-server answer the same bytes with the same bytes."""

import pytest

from lab.simulation.bus_model.differential.choices import encode
from lab.simulation.bus_model.differential.comparison import Comparison, DifferenceError
from lab.simulation.bus_model.differential.runner import compare


def test_the_model_does_what_the_server_does() -> None:
    kinds = compare(2000, seed=1, expiries=0)

    assert kinds["restart"] >= 1
    assert len(kinds) > 15


def test_a_difference_is_found() -> None:
    with Comparison(1) as comparison:
        comparison.model.model.jetstream.name = "other"
        comparison.send(0, encode("$JS.API.STREAM.CREATE.S", "r.0.1", b'{"name":"S"}'))
        comparison.compare()
        comparison.send(0, encode("$JS.API.STREAM.INFO.S", "r.0.2", b""))
        with pytest.raises(DifferenceError, match="leader: real opensqt, model other"):
            comparison.compare()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_model_does_what_the_server_does_over_many_operations() -> None:
    compare(100_000, seed=2, expiries=3)
