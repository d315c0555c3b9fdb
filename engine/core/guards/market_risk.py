"""The risk monitor: symbols that fall on much volume stop what opens, in this grid and every other that watches them.

A symbol is abnormal while its candle's close is below the mean close of the last `average_window` closed candles and its
volume is above `volume_multiplier` times their mean. Enough of them, and nothing is opened until enough symbols have
closed a candle above the mean with normal volume.
"""

from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.grid.settings import GridSettings
from schemas.grid.state import Watched
from schemas.units import ZERO
from schemas.venue.market import Candle

MARKET_RISK = "market_risk"


def on_candle(draft: Draft, candle: Candle) -> bool:
    """Watch a candle, forming or closed, and tell whether it changed anything."""
    state = draft.state
    settings = state.settings
    if candle.symbol not in settings.monitor_symbols or candle.interval != settings.monitor_interval:
        return False
    watched = state.watched.get(candle.symbol) or Watched()
    if candle.open_time <= watched.open_time:
        return False
    changed = _judge(settings, watched, candle)
    if candle.closed:
        state.watched[candle.symbol] = watched
        _close(settings, watched, candle)
        changed = True
    return changed | _review(draft)


def _judge(settings: GridSettings, watched: Watched, candle: Candle) -> bool:
    number = len(watched.closes)
    if number < settings.average_window:
        return False
    is_below = candle.close * number < sum(watched.closes, ZERO)
    is_above = candle.close * number > sum(watched.closes, ZERO)
    is_loud = candle.volume * number > settings.volume_multiplier * sum(watched.volumes, ZERO)
    before = (watched.is_abnormal, watched.is_calm)
    watched.is_abnormal = is_below and is_loud
    if candle.closed:
        watched.is_calm = is_above and not is_loud
    return before != (watched.is_abnormal, watched.is_calm)


def _close(settings: GridSettings, watched: Watched, candle: Candle) -> None:
    watched.open_time = candle.open_time
    watched.closes.append(candle.close)
    watched.volumes.append(candle.volume)
    del watched.closes[: -settings.average_window]
    del watched.volumes[: -settings.average_window]


def _review(draft: Draft) -> bool:
    state = draft.state
    abnormal = sorted(symbol for symbol, each in state.watched.items() if each.is_abnormal)
    if not state.is_market_risky and len(abnormal) >= needed(state.settings):
        state.is_market_risky = True
        for each in state.watched.values():
            each.is_calm = False  # only what closes from now on tells that it is over
        draft.risk(Severity.HIGH, MARKET_RISK, f"falling on much volume: {', '.join(abnormal)}", active=True)
        return True
    calm = sorted(symbol for symbol, each in state.watched.items() if each.is_calm)
    threshold = min(state.settings.recovery_threshold, len(state.settings.monitor_symbols))
    if state.is_market_risky and not abnormal and len(calm) >= threshold:
        state.is_market_risky = False
        draft.risk(Severity.LOW, MARKET_RISK, f"calm again: {', '.join(calm)}", active=False)
        return True
    return False


def needed(settings: GridSettings) -> int:
    """Return how many abnormal symbols trigger the monitor: at least one, at most all."""
    return settings.risk_trigger or len(settings.monitor_symbols)
