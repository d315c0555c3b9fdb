"""The answer to a command, composed of the results of the engine, and of what prevents one."""

from collections.abc import Callable, Iterable

from bus.commands import AddressedSymbol, CommandRecord, is_forwarded
from bus.parts.view import Blocked, PartsView
from liveserver.protocol.session_messages import CommandAnswer, CommandState, SymbolAnswer
from liveserver.view.rendering import decimal_text_or_none, to_seconds
from schemas.engine.control import Command, CommandOutcome, CommandResult
from schemas.grid.view import NotQuoting
from schemas.subjects import ALL
from schemas.units import SECOND_NS, TimeNs

PREVENTS_EXECUTION = frozenset(
    {
        NotQuoting.GATEWAY_SILENT,
        NotQuoting.VENUE_UNREACHABLE,
        NotQuoting.ACCOUNT_SILENT,
        NotQuoting.BUS_SILENT,
    }
)
"""What keeps orders from being placed and canceled, whatever an engine has answered."""
TAKEN = frozenset({CommandOutcome.ACCEPTED, CommandOutcome.APPLIED, CommandOutcome.INCOMPLETE})

BY_SEVERITY = (
    CommandOutcome.REFUSED,
    CommandOutcome.EXPIRED,
    CommandOutcome.INCOMPLETE,
    CommandOutcome.ACCEPTED,
    CommandOutcome.APPLIED,
    CommandOutcome.UNCHANGED,
)
"""The outcome of a command to several symbols is the first of these that one of them has."""


class CommandProgress:
    """A stored command, and its newest results. `parts` returns the state of the parts."""

    def __init__(self, command: Command, key: str, parts: Callable[[], PartsView]) -> None:
        self._command = command
        self._key = key
        self._parts = parts
        self._result: CommandResult | None = None
        self._by_symbol: dict[AddressedSymbol, CommandResult | None] = {}

    @classmethod
    def of(cls, record: CommandRecord, parts: Callable[[], PartsView]) -> "CommandProgress | None":
        """Return the progress of a command that was looked up, None if it was not found."""
        if record.command is None:
            return None
        progress = cls(record.command, "", parts)
        progress._result = record.result
        progress._by_symbol = dict(record.by_symbol)
        return progress

    def expect(self, symbols: Iterable[AddressedSymbol]) -> None:
        """Add symbols that the command is forwarded to."""
        for symbol in symbols:
            self._by_symbol.setdefault(symbol, None)

    def apply(self, result: CommandResult) -> None:
        """Add a result of the command, or of one of the symbols that it was forwarded to."""
        if result.command_id == self._command.command_id:
            self._result = result
        else:
            self._by_symbol[AddressedSymbol(result.venue, result.symbol)] = result

    @property
    def is_final(self) -> bool:
        """Whether no other result follows."""
        if self._result is None or not self._result.is_final:
            return False
        is_complete = all(each is not None and each.is_final for each in self._by_symbol.values())
        return is_complete or not is_forwarded(self._command, self._result)

    def answer(self, now: TimeNs) -> CommandAnswer:
        """Return the answer at the wall-clock time `now`."""
        command, result = self._command, self._result
        if result is None:
            return self._answer(
                CommandState.GIVEN,
                detail=self._waiting_text(now),
                time=command.time,
                answers=self._symbol_answers(),
            )
        state = CommandState.ANSWERED if self.is_final else CommandState.ACCEPTED
        if self._by_symbol and is_forwarded(command, result):
            return self._answer_of_all(result, state, now)
        return self._answer(
            state,
            outcome=result.outcome,
            detail=_joined(result.detail, self._prevented_text(result.outcome, now)),
            step=result.step,
            time=result.time,
            orders_canceled=result.orders_canceled,
            orders_out=result.orders_out,
            position=decimal_text_or_none(result.position),
        )

    def _answer_of_all(self, result: CommandResult, state: CommandState, now: TimeNs) -> CommandAnswer:
        outcomes = [each.outcome for each in self._by_symbol.values() if each is not None]
        found = [outcome for outcome in BY_SEVERITY if outcome in outcomes]
        counts = [f"{outcomes.count(outcome)} {outcome}" for outcome in found]
        if missing := len(self._by_symbol) - len(outcomes):
            counts.append(f"{missing} not answered")
        number = len(self._by_symbol)
        detail = f"{number} symbol{'' if number == 1 else 's'}: {', '.join(counts)}"
        outcome = found[0] if found and not missing else CommandOutcome.ACCEPTED
        return self._answer(
            state,
            outcome=outcome,
            detail=_joined(detail, self._prevented_text(outcome, now)),
            step=result.step,
            time=result.time,
            answers=self._symbol_answers(),
        )

    def _symbol_answers(self) -> tuple[SymbolAnswer, ...]:
        return tuple(_symbol_answer(symbol, self._by_symbol[symbol]) for symbol in sorted(self._by_symbol))

    def _answer(self, state: CommandState, *, time: TimeNs, **fields: object) -> CommandAnswer:
        command = self._command
        return CommandAnswer(
            command_id=command.command_id,
            state=state,
            final=state is CommandState.ANSWERED,
            command=command.name,
            key=self._key,
            venue=command.venue,
            market=command.symbol,
            time=to_seconds(time),
            **fields,  # type: ignore[arg-type] # the fields of the struct, by keyword
        )

    def _waiting_text(self, now: TimeNs) -> str:
        left_s = (self._command.expires_time - now) / SECOND_NS
        expiry = f"it expires in {left_s:.0f} s" if left_s > 0 else "it has expired"
        blocked = self._blocked()
        return _joined(
            f"stored, but no engine has answered; {expiry}", _text(blocked) if blocked is not None else ""
        )

    def _prevented_text(self, outcome: CommandOutcome, now: TimeNs) -> str:
        """Return why the venue may not have been told, while the command is recent; empty if nothing is in the way."""
        blocked = self._blocked() if outcome in TAKEN and now <= self._command.expires_time else None
        return _text(blocked) if blocked is not None and blocked.reason in PREVENTS_EXECUTION else ""

    def _blocked(self) -> Blocked | None:
        """Return what prevents an answer, of a command to all symbols that of the first one."""
        parts, command = self._parts(), self._command
        if command.symbol != ALL:
            return parts.blocked(command.venue, command.symbol)
        found = (parts.blocked(*symbol) for symbol in sorted(self._by_symbol))
        return next((each for each in found if each is not None), parts.blocked_all)


def _symbol_answer(symbol: AddressedSymbol, result: CommandResult | None) -> SymbolAnswer:
    if result is None:
        return SymbolAnswer(venue=symbol.venue, market=symbol.symbol, outcome=None, final=False)
    return SymbolAnswer(
        venue=symbol.venue,
        market=symbol.symbol,
        outcome=result.outcome,
        final=result.is_final,
        detail=result.detail,
        orders_canceled=result.orders_canceled,
        orders_out=result.orders_out,
        position=decimal_text_or_none(result.position),
    )


def _text(blocked: Blocked) -> str:
    return f"{blocked.detail} {blocked.remedy}"


def _joined(text: str, more: str) -> str:
    return f"{text.rstrip('.')}. {more}".strip() if more else text
