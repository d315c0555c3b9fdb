"""Permissions of a secured bus, as tried on a real server."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.bus.secure.trials import USERS, Outcomes, render, try_all
from tests.layout import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ADMIN = {"admin"}
COMMANDERS = {"admin", "operator", "engine", "liveserver"}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return asyncio.run(try_all(tmp_path_factory.mktemp("trials")))


def able(outcomes: Outcomes, group: str, prefixes: Iterable[str]) -> set[str]:
    """Return the users who can do any action whose name has one of the prefixes."""
    found = [users for action, users in outcomes[group].items() if action.startswith(tuple(prefixes))]
    assert found
    return set().union(*found)


@pytest.mark.parametrize(
    ("subjects", "users"),
    [
        (["journal.", "engine.", "$KV.symbols", "$KV.portfolios", "control.sim.B.result"], {"engine"}),
        (["market.sim", "candle.sim", "$KV.instruments.sim"], {"market-sim"}),
        (["order.sim.B.intent", "order.sim.B.request"], {"gateway-sim"}),
        (["order.sim.B.trade", "order.sim.B.funding", "account.sim.B"], {"account-sim"}),
        (["market.other", "candle.other", "order.other", "account.other"], set()),
        (["$KV.instruments.other", "$KV.lease.member.gateway.other"], set()),
        (["control.sim.B.flatten", "control.sim.B.set"], COMMANDERS),
        (["part.engine"], {"engine"}),
        (["part.liveserver"], {"liveserver"}),
    ],
)
def test_only_its_part_publishes_a_subject(outcomes: Outcomes, subjects: list[str], users: set[str]) -> None:
    assert able(outcomes, "Publish", subjects) == users | ADMIN


def test_a_live_server_publishes_commands_alerts_and_its_heartbeats_alone(outcomes: Outcomes) -> None:
    published = {action for action, users in outcomes["Publish"].items() if "liveserver" in users}
    kinds = {subject.partition(".")[0] for subject in published}
    assert kinds == {"control", "alert", "part"}
    assert "control.sim.B.result" not in published


def test_only_the_server_publishes_live_messages(outcomes: Outcomes) -> None:
    assert able(outcomes, "Publish, not stored", ["live.", "mirror."]) == set()


@pytest.mark.parametrize("group", ["Change streams of TRADE", "Mirrors in READ", "Inject"])
def test_only_the_administrator_changes_streams(outcomes: Outcomes, group: str) -> None:
    assert able(outcomes, group, [""]) == ADMIN


def test_no_header_purges_a_bucket(outcomes: Outcomes) -> None:
    assert outcomes["Change streams of TRADE"]["a header that purges a bucket"] == set()


def test_an_inbox_is_received_by_its_user_alone(outcomes: Outcomes) -> None:
    assert able(outcomes, "Subscribe", ["_INBOX_engine"]) == {"engine"} | ADMIN
    assert able(outcomes, "Subscribe", [">", "_R_", "$JS", "$KV"]) == ADMIN


def test_only_its_own_user_reaches_the_services_of_the_servers(outcomes: Outcomes) -> None:
    assert able(outcomes, "Services", ["$SYS.REQ.ACCOUNT.TRADE", "$SYS.REQ.CLAIMS"]) == {"sys"}
    assert able(outcomes, "Subscribe", ["$SYS"]) == {"sys"} | ADMIN


def test_readers_reach_the_mirrors_and_not_the_streams(outcomes: Outcomes) -> None:
    for group in ("Publish", "Publish, not stored", "Read streams of TRADE", "Change streams of TRADE"):
        actions = {action for action, users in outcomes[group].items() if "reader" in users}
        # An acknowledgement in its own account.
        assert actions <= {"$JS.ACK.JOURNAL.mirror.1.1.1.1.1"}
    assert "reader" in outcomes["Own account"]["CONSUMER.CREATE.JOURNAL (of a mirror)"]


def test_each_part_reads_what_it_needs(outcomes: Outcomes) -> None:
    reads = outcomes["Read streams of TRADE"]
    assert {user for user in USERS if user in reads["DIRECT.GET.KV_lease"]}.isdisjoint(
        {"liveserver", "reader"}
    )
    parts = {"market-sim", "account-sim", "gateway-sim", "engine", "liveserver"}
    assert reads["DIRECT.GET.ALERTS"] == {"admin", "operator", *parts}


def test_the_document_is_up_to_date(outcomes: Outcomes) -> None:
    document = Path(ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert document == render(outcomes), "python -m tests.bus.secure.trials > docs/permissions.md"
