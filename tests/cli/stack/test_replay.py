"""The summary at the end of a replay."""

import re
from decimal import Decimal

from msgspec.structs import replace

from cli.inspect.digest import JournalDigest
from cli.stack.replay import summary
from schemas.grid.state import Accounts
from tests.builders import STATE


def test_parts_of_the_summary_add_up_to_the_total_in_one_currency() -> None:
    accounts = Accounts(
        cash=Decimal("-95.80816"),
        position=Decimal("0.0016"),
        fees=Decimal("0.26881"),
        funding=Decimal("-0.00115"),
        grid_profit=Decimal("1.44985"),
        unmatched_fees=Decimal("0.01916"),
    )
    rows = dict(
        re.findall(r"  (\S.*?)  +(\S.*)", summary(JournalDigest(), replace(STATE, accounts=accounts), [], 1))
    )
    amounts = {
        name: rows[name].split() for name in ("grid profit", "unpaired", "open fees", "funding", "total")
    }
    *parts, total = (Decimal(amount) for amount, _ in amounts.values())

    assert sum(parts) == total
    assert all(parts)
    assert {currency for _, currency in amounts.values()} == {"USDT"}
