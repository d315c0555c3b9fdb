"""Continue the portfolios of version 0.1, one for each venue, as the portfolio of all venues.

    journal.V._all.step of each venue  ->  first step of journal._all._all.step
    entry of a venue in `portfolios`   ->  entry `_all`

What is carried over: breakers, exposure limits, counted round trips, generations and offsets. The drawdown starts again if
the symbols of a venue have several quote currencies, because version 0.1 summed them as one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from bus import Bus, Journal, Registry, get_logger, last_per_subject, newest
from engine.core.portfolio.global_breaker import worse
from engine.portfolio.publisher import PortfolioPublisher
from schemas import earlier_subjects, subjects
from schemas.codec import try_decode
from schemas.engine.journal import StreamOffset
from schemas.engine.portfolio import PortfolioEntry
from schemas.engine.portfolio_journal import Bucket, GlobalBreaker, PortfolioState, PortfolioStep
from schemas.formats import MINIMUM_READER, STATE_VERSION
from schemas.subjects import Stream
from schemas.units import ZERO, Symbol, VenueId
from schemas.venue.instruments import quote_of

_log = get_logger("portfolio")


class OldPortfolio(NamedTuple):
    """The last step of a venue's portfolio, and its sequence in JOURNAL."""

    step: PortfolioStep
    sequence: int
    currencies: tuple[str, ...]
    """The quote currencies of the venue's symbols."""


async def migrate_portfolio(bus: Bus) -> list[str]:
    """Write the first step and the limits of the portfolio from those of version 0.1; return what was done, one line each.

    Does nothing when there is nothing to migrate, or when it was done before.
    Raises: Fenced when another process does it at the same time; Ambiguous, NoSpace or StreamGone: retry.
    """
    return [*await _migrate_limits(bus), *await _migrate_journal(bus)]


def merged(old: Sequence[OldPortfolio]) -> PortfolioState:
    """Return the state of the portfolio that continues those of the venues."""
    first = old[0].step.state
    state = PortfolioState(venue=subjects.ALL_VENUES, settings=first.settings)
    state.time = max(each.step.state.time for each in old)
    for portfolio in old:
        venue, before = portfolio.step.venue, portfolio.step.state
        state.counted += [f"{venue} {each}" for each in before.counted]
        state.generations |= {f"{venue} {symbol}": number for symbol, number in before.generations.items()}
        is_alone = len(old) == 1 and len(portfolio.currencies) == 1
        if not portfolio.currencies:
            state.breaker = worse(state.breaker, _copied(before.breaker, with_sums=False))
        for currency in portfolio.currencies:
            new = Bucket(is_exposed=before.is_exposed, breaker=_copied(before.breaker, with_sums=is_alone))
            known = state.buckets.setdefault(currency, new)
            known.is_exposed |= new.is_exposed
            known.breaker = worse(known.breaker, new.breaker)
    return state


async def _migrate_journal(bus: Bus) -> list[str]:
    journal = await Journal.open(bus, Stream.JOURNAL, subjects.portfolio_step())
    if journal.last is not None:
        return []
    old = await _old_portfolios(bus)
    if not old:
        return []
    for each in old:  # what a crash left committed, but not published
        publisher = PortfolioPublisher(bus, _log, each.step.published_through)
        subject = earlier_subjects.venue_portfolio_step(each.step.venue)
        await publisher.publish_stored(subject, each.step.published_through, each.sequence)
    newest_time = max(each.step.time for each in old)
    await journal.commit(
        PortfolioStep(
            venue=subjects.ALL_VENUES,
            step=max(each.step.step for each in old),
            epoch=max(each.step.epoch for each in old),
            offsets=_offsets(old),
            causes=(),
            state=merged(old),
            notices=(),
            commands=(),
            entries=(),
            published_through=0,
            time=newest_time,
            state_version=STATE_VERSION,
            minimum_reader=MINIMUM_READER,
        )
    )
    names = ", ".join(each.step.venue for each in old)
    return [f"the portfolio of {names} continues as the portfolio of all venues"]


async def _migrate_limits(bus: Bus) -> list[str]:
    registry = Registry(bus, "portfolios")
    stored = await registry.entries()
    if subjects.ALL in stored:
        return []
    entries = [entry for each in stored.values() if (entry := try_decode(each.data, PortfolioEntry))]
    if len(entries) != 1:
        problem = "limits of several venues are not merged: set them in the configuration, by currency"
        return [problem] if entries else []
    entry = entries[0]
    currencies = (await _currencies(bus)).get(entry.venue, set())
    settings, limits = entry.settings, entry.settings.of("")
    if currencies:  # amounts are in the currency of the symbols that there are, and mean nothing in another
        settings = msgspec.structs.replace(
            settings,
            max_exposure=ZERO,
            max_drawdown=ZERO,
            max_drawdown_ratio=ZERO,
            currencies=dict.fromkeys(sorted(currencies), limits),
        )
    new = msgspec.structs.replace(entry, venue=subjects.ALL_VENUES, settings=settings)
    await registry.create(subjects.ALL, new)
    return [
        f"the limits of {entry.venue} became those of {', '.join(settings.currencies) or 'all currencies'}"
    ]


async def _old_portfolios(bus: Bus) -> list[OldPortfolio]:
    found, currencies = [], await _currencies(bus)
    for last in await last_per_subject(bus, Stream.JOURNAL, (earlier_subjects.venue_portfolio_steps(),)):
        step = await newest(bus, Stream.JOURNAL, last.subject, PortfolioStep, last)
        if step is not None:
            of_venue = tuple(sorted(currencies.get(step.event.venue, ())))
            found.append(OldPortfolio(step.event, step.stored.sequence, of_venue))
    return sorted(found, key=lambda each: each.step.venue)


async def _currencies(bus: Bus) -> dict[VenueId, set[str]]:
    """Return by venue the quote currencies of its symbols, removed ones included: their grids are kept."""
    grids = await last_per_subject(bus, Stream.JOURNAL, (subjects.all_grids(),))
    markets = [(each.venue, each.symbol) for each in (subjects.parse(grid.subject) for grid in grids)]
    for key in await Registry(bus, "symbols").entries():
        venue, _, token = key.partition(".")
        markets.append((VenueId(venue), Symbol(subjects.unescape(token))))
    found: dict[VenueId, set[str]] = {}
    for market_venue, symbol in markets:
        if symbol is not None:
            found.setdefault(market_venue, set()).add(quote_of(symbol))
    return found


def _copied(breaker: GlobalBreaker, *, with_sums: bool) -> GlobalBreaker:
    """Return the state of a breaker; with its losses and peaks only if they are of one currency."""
    return GlobalBreaker(
        state=breaker.state,
        reason=breaker.reason,
        opened_time=breaker.opened_time,
        losses=breaker.losses if with_sums else 0,
        peaks=list(breaker.peaks) if with_sums else [],
    )


def _offsets(old: Sequence[OldPortfolio]) -> dict[str, StreamOffset]:
    """Return where to continue: no fill is missed (repeated ones are known by their ids), and no command is given twice."""
    of_streams = {
        stream: [each.step.offsets[stream] for each in old if stream in each.step.offsets]
        for stream in (Stream.ENGINE, Stream.CONTROL)
    }
    choose = {Stream.ENGINE: min, Stream.CONTROL: max}
    return {
        stream: choose[stream](offsets, key=lambda each: each.sequence)
        for stream, offsets in of_streams.items()
        if offsets
    }
