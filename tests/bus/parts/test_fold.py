"""The state of the parts as a function of their heartbeats: tables of cases."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from bus import PartState, PartsView
from bus.parts.fold import Observation, ReceivedHeartbeat, evaluate
from schemas.grid.view import NotQuoting
from schemas.parts import PartHeartbeat, VenueLink
from schemas.subjects import registry_key
from schemas.units import SECOND_NS, Symbol, VenueId
from tests.builders import BTC, SIM

ETH = Symbol("ETH/USDT")
NOW = 1_700_000_000 * SECOND_NS
KEYS = (registry_key(SIM, BTC), registry_key(SIM, ETH))
URL = "nats://user:secret@bus:4222"
LINK = VenueLink(venue=SIM, connected=True, url="http://venue:1", last_message_time=NOW)
LOST = replace(LINK, connected=False, detail="no answer")


def part(kind: str, age_s: float = 0, name: str = "", **fields: object) -> ReceivedHeartbeat:
    """Return a part whose last heartbeat is so old."""
    time = NOW - int(age_s * SECOND_NS)
    venues = () if kind in ("engine", "liveserver") else (SIM,)
    symbols = KEYS if kind in ("engine", "gateway") else ()
    links = (LINK,) if venues else ()
    sent = PartHeartbeat(
        kind=kind,
        name=name or kind,
        time=time,
        started_time=7,
        venues=venues,
        symbols=symbols,
        links=links,
        pid=42,
    )
    return ReceivedHeartbeat(replace(sent, **fields), time)


def seen(
    *changed: ReceivedHeartbeat, without: str = "", attentive_s: float = 60, known: tuple[str, ...] = ()
) -> PartsView:
    """Evaluate a stack that is well but for these parts and the one that is left out."""
    replaced = {(each.heartbeat.kind, each.heartbeat.name) for each in changed}
    kinds = ("engine", "gateway", "account", "market")
    well = [part(kind) for kind in kinds if kind != without and (kind, kind) not in replaced]
    return evaluate(
        Observation(
            heartbeats=(*well, *changed),
            now_ns=NOW,
            roster=KEYS,
            bus_url=URL,
            attentive_since_ns=NOW - int(attentive_s * SECOND_NS),
            known=known,
        )
    )


def blocked(view: PartsView) -> NotQuoting | None:
    found = view.blocked(SIM, BTC)
    return found.reason if found is not None else None


def wrong(view: PartsView) -> dict[str, PartState]:
    return {each.name: each.state for each in view.parts if each.is_wrong}


def test_a_stack_whose_parts_send_heartbeats_is_well() -> None:
    view = seen()
    assert (wrong(view), view.problems, view.blocked(SIM, BTC)) == ({}, (), None)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("engine", NotQuoting.ENGINE_SILENT),
        ("gateway", NotQuoting.GATEWAY_SILENT),
        ("account", NotQuoting.ACCOUNT_SILENT),
        ("market", NotQuoting.MARKET_SILENT),
        ("liveserver", None),
    ],
)
@pytest.mark.parametrize(("age_s", "is_silent"), [(2.9, False), (3.0, True)])
def test_a_part_is_silent_after_three_seconds(
    kind: str, reason: NotQuoting | None, age_s: float, is_silent: bool
) -> None:
    view = seen(part(kind, age_s))
    assert wrong(view) == ({kind: PartState.SILENT} if is_silent else {})
    assert blocked(view) == (reason if is_silent else None)


def test_the_remedy_of_a_silent_part_has_commands_without_secrets() -> None:
    (problem,) = seen(part("gateway", 5, host="alpha")).problems
    assert "On alpha, if ps -p 42 still shows it: kill -CONT 42 continues it" in problem
    assert "./opensqt gateway --bus-url nats://bus:4222 --venue sim --venue-url http://venue:1" in problem
    assert "since 22:13:15 UTC: no order can be sent or canceled" in problem


@pytest.mark.parametrize(("attentive_s", "is_missing"), [(9, False), (10, True)])
@pytest.mark.parametrize("kind", ["engine", "gateway", "account", "market"])
def test_a_needed_part_is_missing_once_it_had_time_to_start(
    kind: str, attentive_s: float, is_missing: bool
) -> None:
    view = seen(without=kind, attentive_s=attentive_s)
    assert wrong(view) == ({kind: PartState.MISSING} if is_missing else {})
    assert (blocked(view) is not None) is is_missing


def test_nothing_is_missing_where_nothing_is_traded() -> None:
    view = evaluate(Observation(heartbeats=(), now_ns=NOW, roster=(), bus_url=URL))
    assert view.parts == ()


@pytest.mark.parametrize(("ago_s", "is_missing"), [(5, False), (15, True)])
def test_an_orderly_stop_is_no_fault_until_nothing_has_followed(ago_s: float, is_missing: bool) -> None:
    view = seen(part("gateway", ago_s, is_stopping=True))
    assert wrong(view) == ({"gateway": PartState.MISSING} if is_missing else {})
    assert ("when it was stopped" in "".join(view.problems)) is is_missing


SILENT_ENGINE = part("engine", 5)


@pytest.mark.parametrize(
    ("others", "is_blocked"),
    [
        ([part("engine", name="engine-2")], False),
        ([part("engine", name="engine-2", symbols=KEYS[1:])], True),
        ([part("engine", name=name, symbols=(key,)) for name, key in zip("ab", KEYS, strict=True)], False),
        ([part("engine", name="engine-2", symbols=())], True),
        ([part("engine", 5, name="engine-2")], True),
    ],
)
def test_a_silent_engine_whose_symbols_run_elsewhere_blocks_nothing(
    others: list[ReceivedHeartbeat], is_blocked: bool
) -> None:
    view = seen(SILENT_ENGINE, *others)
    assert blocked(view) == (NotQuoting.ENGINE_SILENT if is_blocked else None)
    silent = next(each for each in view.parts if (each.name, each.state) == ("engine", PartState.SILENT))
    assert silent.is_replaced is not is_blocked
    assert silent.incident == "part_silent.engine.engine." + str(SILENT_ENGINE.heartbeat.time)


@pytest.mark.parametrize(("ago_s", "names"), [(299, ["a", "b"]), (301, ["b"])])
def test_a_silent_live_server_is_forgotten_once_another_one_serves_its_viewers(
    ago_s: float, names: list[str]
) -> None:
    view = seen(part("liveserver", ago_s, name="a"), part("liveserver", name="b"))
    assert [each.name for each in view.parts if each.kind == "liveserver"] == names


def test_the_only_live_server_that_is_silent_is_not_replaced() -> None:
    view = seen(part("liveserver", 301, name="a"))
    assert [each.is_replaced for each in view.parts if each.kind == "liveserver"] == [False]


def test_only_the_symbols_that_no_engine_runs_are_blocked() -> None:
    view = seen(SILENT_ENGINE, part("engine", name="engine-2", symbols=KEYS[1:]))
    assert view.blocked(SIM, BTC) is not None
    assert view.blocked(SIM, ETH) is None


def test_a_standby_publisher_replaces_a_silent_one() -> None:
    view = seen(part("market", 5), part("market", name="market-2"))
    assert (wrong(view), blocked(view)) == ({"market": PartState.SILENT}, None)


def test_a_part_of_another_venue_blocks_nothing_here() -> None:
    view = seen(
        part("gateway", 5, name="gateway-sim2", venues=(VenueId("sim2"),), symbols=("sim2.BTC-USDT_USDT",))
    )
    assert (wrong(view), blocked(view)) == ({"gateway-sim2": PartState.SILENT}, None)


def test_a_venue_is_unreachable_when_every_living_part_says_so() -> None:
    lost = [part(kind, links=(LOST,)) for kind in ("gateway", "account", "market")]
    view = seen(*lost)
    assert wrong(view) == {SIM: PartState.UNREACHABLE}
    assert blocked(view) == NotQuoting.VENUE_UNREACHABLE
    assert "The venue sim does not answer: no answer." in view.problems[0]


def test_a_venue_that_one_part_reaches_is_not_unreachable() -> None:
    view = seen(part("account", links=(LOST,)))
    assert (wrong(view), blocked(view)) == ({"account": PartState.DEGRADED}, None)


def test_the_links_of_silent_parts_do_not_count() -> None:
    lost = [part(kind, links=(LOST,)) for kind in ("account", "market")]
    assert wrong(seen(part("gateway", 5), *lost))[SIM] is PartState.UNREACHABLE


def test_a_silent_bus_blocks_everything_and_blames_no_part() -> None:
    view = evaluate(
        Observation(heartbeats=(SILENT_ENGINE,), now_ns=NOW, roster=KEYS, bus_url=URL, is_bus_silent=True)
    )
    assert [(each.kind, each.state) for each in view.parts] == [("bus", PartState.SILENT)]
    assert blocked(view) == NotQuoting.BUS_SILENT


def test_a_watcher_that_was_paused_blames_no_part_at_first() -> None:
    assert wrong(seen(part("gateway", 14), attentive_s=2.9)) == {}
    assert wrong(seen(part("gateway", 14), attentive_s=3.0)) == {"gateway": PartState.SILENT}


def test_silence_goes_on_through_a_pause_of_the_watcher() -> None:
    before = seen(part("gateway", 14))
    incidents = tuple(each.incident for each in before.parts if each.incident)
    assert wrong(seen(part("gateway", 14), attentive_s=0, known=incidents)) == {"gateway": PartState.SILENT}
    assert wrong(seen(part("gateway"), attentive_s=0, known=incidents)) == {}


def test_the_problems_of_a_part_are_told() -> None:
    view = seen(part("engine", problems=("engine: sim.BTC-USDT_USDT: boom",)))
    assert wrong(view) == {"engine": PartState.DEGRADED}
    assert view.problems == ("The engine reports: engine: sim.BTC-USDT_USDT: boom.",)
    assert blocked(view) is None


@pytest.mark.parametrize(
    "incident",
    [
        lambda: seen(part("gateway", 5)).parts[0].incident,
        lambda: seen(without="gateway").parts[0].incident,
        lambda: (
            seen(*(part(kind, links=(LOST,)) for kind in ("gateway", "account", "market"))).parts[0].incident
        ),
    ],
)
def test_all_watchers_raise_the_same_incident(incident: Callable[[], str]) -> None:
    assert incident() == incident()
    assert incident().count(".") == 3
