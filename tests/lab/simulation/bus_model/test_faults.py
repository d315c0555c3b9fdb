"""Faults of the model: each has the effect of the documented fault."""

import json

import pytest

from lab.simulation.bus_model.errors import NotModeledError
from lab.simulation.bus_model.faults import PublishFault
from lab.simulation.bus_model.server import BusModel
from tests.lab.simulation.bus_model.clients import ModelClient, new_model


@pytest.fixture
def model() -> BusModel:
    return new_model(servers=3)


@pytest.fixture
def client(model: BusModel) -> ModelClient:
    """Return a client; its stream S has three messages."""
    client = ModelClient(model)
    client.create(num_replicas=3)
    for number in range(3):
        client.store(f"s.{number}", b"%d" % number, f"Nats-Msg-Id: {number}\r\n")
    return client


def test_a_lost_tail_was_acknowledged(model: BusModel, client: ModelClient) -> None:
    assert model.faults.lose_tail("S", 2) == 1

    assert client.sequences() == [1]
    assert client.store("s.9", b"", "Nats-Msg-Id: 2\r\n") == {"stream": "S", "seq": 2}
    assert client.store("s.9", b"", "Nats-Msg-Id: 0\r\n") == {"stream": "S", "seq": 1, "duplicate": True}


def test_a_rolled_back_stream_has_what_was_removed(model: BusModel, client: ModelClient) -> None:
    model.faults.checkpoint("S")
    client.store("s.4")
    client.api("STREAM.PURGE.S")

    model.faults.roll_back("S")

    assert client.sequences() == [1, 2, 3]
    assert client.store("s.5") == {"stream": "S", "seq": 4}


def test_a_stale_follower_answers_direct_gets_only(model: BusModel, client: ModelClient) -> None:
    model.faults.stale_follower("S", is_only_one=True)
    client.store("s.0", b"new")

    assert client.direct({"last_by_subj": "s.0"})[0].data == b"0"
    assert client.api("STREAM.MSG.GET.S", {"last_by_subj": "s.0"})["message"]["seq"] == 4
    model.faults.catch_up("S")
    assert client.direct({"last_by_subj": "s.0"})[0].data == b"new"


def test_one_of_two_replicas_may_be_stale(model: BusModel, client: ModelClient) -> None:
    model.faults.stale_follower("S")
    client.store("s.0", b"new")

    answers = {client.direct({"last_by_subj": "s.0"})[0].data for _ in range(4)}

    assert answers == {b"0", b"new"}


@pytest.mark.parametrize(
    ("fault", "is_stored", "status"),
    [
        (PublishFault.LOST, False, None),
        (PublishFault.UNACKNOWLEDGED, True, None),
        (PublishFault.UNAVAILABLE, False, 503),
        (PublishFault.STORED_UNAVAILABLE, True, 503),
    ],
)
def test_a_change_of_leader_during_a_publish(
    model: BusModel, client: ModelClient, fault: PublishFault, is_stored: bool, status: int | None
) -> None:
    model.faults.change_leader("S", fault)

    reply = client.store("s.9")

    assert (reply["error"]["code"] if reply else None) == status
    assert (4 in client.sequences()) is is_stored
    assert client.store("s.9") is not None


def test_a_stream_without_leader_answers_direct_gets_only(model: BusModel, client: ModelClient) -> None:
    model.faults.lose_leader("S")

    assert client.store("s.9") is None
    assert client.request("$JS.API.STREAM.INFO.S") == []
    assert client.direct({"seq": 1})[0].data == b"0"
    model.faults.elect_leader("S")
    assert client.store("s.9") == {"stream": "S", "seq": 4}


def test_a_recreated_stream_has_another_creation_time(model: BusModel, client: ModelClient) -> None:
    before = client.api("STREAM.INFO.S")

    model.faults.recreate_stream("S")

    after = client.api("STREAM.INFO.S")
    assert (after["config"], after["state"]["messages"]) == (before["config"], 0)
    assert after["created"] != before["created"]


def test_memory_streams_are_emptied_and_keep_their_creation_time(
    model: BusModel, client: ModelClient
) -> None:
    client.create("M", storage="memory")
    client.store("m.1")
    created = client.api("STREAM.INFO.M")["created"]

    model.faults.empty_memory_streams()

    info = client.api("STREAM.INFO.M")
    assert (info["created"], info["state"]["last_seq"]) == (created, 0)
    assert client.sequences() == [1, 2, 3]


def test_a_restart_of_a_cluster_keeps_memory_streams_without_messages(
    model: BusModel, client: ModelClient
) -> None:
    client.create("M", storage="memory", num_replicas=3)
    client.store("m.1")

    model.restart()

    assert ModelClient(model).api("STREAM.INFO.M")["state"]["last_seq"] == 0


def test_only_a_cluster_has_replicas() -> None:
    client, wanted = ModelClient(new_model()), {"name": "S", "num_replicas": 3}

    assert client.api("STREAM.CREATE.S", wanted)["error"]["err_code"] == 10074


def test_a_slow_consumer_is_dropped(model: BusModel, client: ModelClient) -> None:
    model.faults.drop_slow_consumer(client.connection)

    assert [event.data for event in client.take()] == [b"-ERR 'Slow Consumer'"]
    assert not client.is_open


def test_a_flipped_bit_changes_a_message_or_loses_it(model: BusModel, client: ModelClient) -> None:
    model.faults.flip_bit("S", 1)
    model.faults.flip_bit("S", 2, is_detected=True)

    assert client.direct({"seq": 1})[0].data == b"1"
    assert client.sequences() == [1, 3]


def test_a_full_store_rejects_until_there_is_space(model: BusModel, client: ModelClient) -> None:
    model.faults.fill_store()
    rejected = client.store("s.9")
    model.faults.free_store()

    assert rejected is not None
    assert rejected["error"] == {"code": 503, "err_code": 10023, "description": "insufficient resources"}
    assert client.store("s.9") == {"stream": "S", "seq": 4}


def test_a_full_disk_answers_nothing_until_the_server_restarts(model: BusModel, client: ModelClient) -> None:
    model.faults.disk_full()
    assert client.store("s.9") is None

    model.restart()

    assert ModelClient(model).store("s.9") == {"stream": "S", "seq": 4}


def test_a_restart_keeps_file_streams_and_the_ids_of_their_messages() -> None:
    model = new_model()
    client = ModelClient(model)
    client.create()
    client.create("M", storage="memory")
    for number in range(3):
        client.store("s.0", b"", f"Nats-Msg-Id: {number}\r\n")

    model.restart()

    assert not client.is_open
    again = ModelClient(model)
    assert again.api("STREAM.NAMES")["streams"] == ["S"]
    assert again.store("s.0", b"", "Nats-Msg-Id: 2\r\n") == {"stream": "S", "seq": 3, "duplicate": True}


def test_what_is_left_out_is_an_error(client: ModelClient) -> None:
    with pytest.raises(NotModeledError, match=r"CONSUMER\.CREATE"):
        client.request("$JS.API.CONSUMER.CREATE.S.x", b"{}")
    with pytest.raises(NotModeledError, match="Nats-Batch-Id"):
        client.request("s.1", b"", "Nats-Batch-Id: 1\r\n")
    with pytest.raises(NotModeledError, match="mirror"):
        client.request("$JS.API.STREAM.CREATE.T", json.dumps({"name": "T", "mirror": {"name": "S"}}).encode())
