"""Preflight check of the capital: what a grid may hold, with the other grids of the account, has to fit into the balance."""

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from engine.core.guards.max_position import committed
from engine.core.startup.case import Case, Check, rounded
from schemas.engine.journal import SymbolEntry
from schemas.grid.state import OtherGrid
from schemas.units import ZERO, Money, Symbol, VenueId
from schemas.venue.fees import assets_of


def other_grids(venue: VenueId, symbol: Symbol, entries: Iterable[SymbolEntry]) -> tuple[OtherGrid, ...]:
    """Return the other grids of an account that settle in the same currency as that of a symbol."""
    settle = assets_of(symbol)[2]
    found = []
    for each in sorted(entries, key=lambda other: other.symbol):
        is_other = each.venue == venue and each.symbol != symbol
        if is_other and assets_of(each.symbol)[2] == settle:
            notional, ratio = committed(each.settings)
            found.append(OtherGrid(symbol=each.symbol, notional=notional, balance_ratio=ratio))
    return tuple(found)


def capital(case: Case) -> Check:
    """Check that the balance covers what this grid may hold at its limit, and the other grids at theirs."""
    balance, leverage = case.account.balance, case.account.leverage
    if balance is None or leverage is None:
        return Check(name="capital", passed=None, figures="the balance or the leverage is unknown")
    currency, others = case.instrument.settle, case.account.others
    worth = _worth(committed(case.settings), balance)
    own = worth / leverage
    rest = sum((_margin(each, balance, leverage) for each in others), ZERO)
    needed = own + rest
    text = f"it may hold {rounded(worth)} {currency}, which takes {rounded(own)} {currency} at leverage {leverage}"
    if others:
        grids = "the other grid" if len(others) == 1 else f"the {len(others)} other grids"
        text += f"; with {grids} of {currency} {rounded(needed)}"
    text += f" of a balance of {rounded(balance)} {currency}"
    if needed <= balance:
        return Check(name="capital", passed=True, figures=text)
    room = max(balance - rest, ZERO) * leverage
    remedy = f"a balance of {rounded(needed, ROUND_CEILING)} {currency}"
    if room > 0:
        remedy = f"max_position of at most {rounded(room, ROUND_FLOOR)} {currency}, or {remedy}"
    return Check(name="capital", passed=False, figures=text, remedy=remedy)


def _margin(other: OtherGrid, balance: Money, leverage: Decimal) -> Money:
    """Return what another grid takes: on contracts, at the leverage of this grid."""
    worth = _worth((other.notional, other.balance_ratio), balance)
    return worth / leverage if ":" in other.symbol else worth


def _worth(limit: tuple[Money, Decimal], balance: Money) -> Money:
    notional, ratio = limit
    return notional + ratio * balance
