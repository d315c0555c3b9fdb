"""The differences between a bus and a configuration, and the actions that remove them."""

from enum import StrEnum
from typing import NamedTuple

from bus.streams.topology import StreamConfig
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioEntry
from schemas.units import Symbol, VenueId


class Sign(StrEnum):
    """The first character of a line."""

    ADD = "+"
    CHANGE = "~"
    BLOCKED = "!"
    """A difference that cannot be removed."""
    EQUAL = "="


class ProvisionStream(NamedTuple):
    """Create or update a stream."""

    config: StreamConfig
    is_new: bool


class ProvisionMirror(NamedTuple):
    """Create or update the mirror of a stream, for people who read the bus with the `nats` tool."""

    config: StreamConfig


class StoreLimits(NamedTuple):
    """Write the limits over all symbols; `revision` is that of the entry they replace, None without one."""

    entry: PortfolioEntry
    revision: int | None


class StoreSymbol(NamedTuple):
    """Write the entry of a symbol that no engine has started; `revision` is that of the entry it replaces."""

    entry: SymbolEntry
    revision: int | None


class ChangeSettings(NamedTuple):
    """Change settings of a running symbol by the command `set`."""

    venue: VenueId
    symbol: Symbol
    changes: dict[str, str]


Action = ProvisionStream | ProvisionMirror | StoreLimits | StoreSymbol | ChangeSettings


class Change(NamedTuple):
    """One difference; `action` is None where it is blocked."""

    sign: Sign
    what: str
    """`sim BTC/USDT:USDT`, `stream ORDERS` or `limits`."""
    texts: tuple[str, ...] = ()
    """One for each line, such as `order_amount 40 USDT -> 50 USDT`."""
    action: Action | None = None
    needs_confirmation: bool = False
    """Whether it changes what trades already: applied only with --yes."""

    def lines(self) -> list[str]:
        """Return the lines of the difference: `~ sim ETH/USDT:USDT order_amount 40 USDT -> 50 USDT`."""
        return [f"{self.sign} {self.what} {text}".rstrip() for text in self.texts or ("",)]


class Plan(NamedTuple):
    """All differences, the number of things that are equal, and notes."""

    changes: tuple[Change, ...] = ()
    equal: tuple[str, ...] = ()
    """Such as `13 streams`."""
    notes: tuple[str, ...] = ()

    @property
    def blocked(self) -> tuple[Change, ...]:
        return tuple(each for each in self.changes if each.sign is Sign.BLOCKED)

    @property
    def needs_confirmation(self) -> bool:
        return any(each.needs_confirmation for each in self.changes)

    def lines(self) -> list[str]:
        """Return the plan for people, one line for each difference and note."""
        lines = [line for each in self.changes for line in each.lines()]
        if self.equal:
            lines.append(f"{Sign.EQUAL} {', '.join(self.equal)}")
        return [*lines, *self.notes]

    def additions(self) -> "Plan":
        """Return the part that changes nothing that trades already."""
        kept = (each for each in self.changes if each.action is not None and not each.needs_confirmation)
        return self._replace(changes=tuple(kept))


def joined(*plans: Plan) -> Plan:
    """Return one plan made of several, in their order."""
    return Plan(
        tuple(each for plan in plans for each in plan.changes),
        tuple(each for plan in plans for each in plan.equal),
        tuple(each for plan in plans for each in plan.notes),
    )


def counted(count: int, name: str) -> tuple[str, ...]:
    """Return `3 symbols`, `1 symbol`, or nothing for 0."""
    return (f"{count} {name}{'' if count == 1 else 's'}",) if count else ()
