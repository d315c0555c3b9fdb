"""Market risk guard: monitored symbols that fall on high volume stop opening orders.

A symbol is abnormal while its candle's close is below the mean close of the last `average_window` closed candles and its
volume is above `volume_multiplier` times their mean volume. It is calm while its newest closed candle is above the mean
close without such a volume. The guard activates when `risk_trigger` symbols are abnormal (0 is all of them). It clears when
no symbol is abnormal and `recovery_threshold` symbols, at most all, have become calm since. Several grids may monitor the
same symbols.
"""

from engine.core.decisions import figures
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.grid.guard_state import MonitoredSymbol
from schemas.grid.settings import GridSettings
from schemas.units import ZERO
from schemas.venue.market import Candle

MARKET_RISK = "market_risk"


def on_candle(draft: Draft, candle: Candle) -> None:
    """Apply a candle of a monitored symbol, forming or closed."""
    state = draft.state
    settings = state.settings
    if candle.symbol not in settings.monitor_symbols or candle.interval != settings.monitor_interval:
        return
    watched = state.watched.get(candle.symbol) or MonitoredSymbol()
    if candle.open_time <= watched.open_time:
        return
    _classify(draft, watched, candle)
    if candle.closed:
        draft.touch()
        state.watched[candle.symbol] = watched
        _append(settings, watched, candle)
    _evaluate(draft)


def needed(settings: GridSettings) -> int:
    """Return how many abnormal symbols activate the guard: from one to all of them."""
    return settings.risk_trigger or len(settings.monitor_symbols)


def _classify(draft: Draft, watched: MonitoredSymbol, candle: Candle) -> None:
    settings, count = draft.state.settings, len(watched.closes)
    if count < settings.average_window:
        return
    is_below = candle.close * count < sum(watched.closes, ZERO)
    is_above = candle.close * count > sum(watched.closes, ZERO)
    is_on_high_volume = candle.volume * count > settings.volume_multiplier * sum(watched.volumes, ZERO)
    before = (watched.is_abnormal, watched.is_calm)
    watched.is_abnormal = is_below and is_on_high_volume
    if candle.closed:
        watched.is_calm = is_above and not is_on_high_volume
    if (watched.is_abnormal, watched.is_calm) != before:
        draft.touch()


def _append(settings: GridSettings, watched: MonitoredSymbol, candle: Candle) -> None:
    watched.open_time = candle.open_time
    watched.closes.append(candle.close)
    watched.volumes.append(candle.volume)
    del watched.closes[: -settings.average_window]
    del watched.volumes[: -settings.average_window]


def _evaluate(draft: Draft) -> None:
    state = draft.state
    abnormal = sorted(symbol for symbol, each in state.watched.items() if each.is_abnormal)
    if not state.is_market_risky and len(abnormal) >= needed(state.settings):
        state.is_market_risky = True
        for each in state.watched.values():
            each.is_calm = False  # recovery counts candles closed from now on
        draft.risk(
            Severity.HIGH,
            MARKET_RISK,
            f"falling on high volume: {', '.join(abnormal)}",
            figures(abnormal_symbols=len(abnormal), limit=needed(state.settings)),
            active=True,
        )
        return
    calm = sorted(symbol for symbol, each in state.watched.items() if each.is_calm)
    threshold = min(state.settings.recovery_threshold, len(state.settings.monitor_symbols))
    if state.is_market_risky and not abnormal and len(calm) >= threshold:
        state.is_market_risky = False
        found = figures(calm_symbols=len(calm), limit=threshold)
        draft.risk(Severity.LOW, MARKET_RISK, f"recovered: {', '.join(calm)}", found, active=False)
