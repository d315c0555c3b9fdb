"""The worth of an account in one currency, at given prices."""

from collections.abc import Callable, Iterable

import msgspec

from schemas.units import ZERO, Money, Price
from schemas.venue.account import Balance


class AccountWorth(msgspec.Struct, frozen=True, kw_only=True):
    """The worth of all assets of an account in `currency`."""

    currency: str
    total: Money | None
    """Including the unrealized profit of positions; None without any balance, and while an asset has no price."""
    unpriced: tuple[str, ...] = ()
    """The assets held that have no price in `currency`, sorted."""


def account_worth(
    balances: Iterable[Balance], currency: str, price_of: Callable[[str], Price | None]
) -> AccountWorth:
    """Return the worth of an account; `price_of` gives the price of another asset in `currency`, None if unknown."""
    total, unpriced, is_empty = ZERO, [], True
    for balance in balances:
        is_empty = False
        price = Money(1) if balance.asset == currency else price_of(balance.asset)
        if price is not None:
            total += balance.margin_balance * price
        elif balance.margin_balance:
            unpriced.append(balance.asset)
    return AccountWorth(
        currency=currency, total=None if is_empty or unpriced else total, unpriced=tuple(sorted(unpriced))
    )
