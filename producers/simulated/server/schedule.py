"""What the settings schedule: maintenances of the venue and changes of trading rules, by market time."""

from decimal import Decimal

import msgspec

from producers.simulated.parameters import RuleChange
from producers.simulated.settings import SettingsError, VenueSettings
from schemas.units import TimeNs
from schemas.venue.instruments import Instrument

CHANGEABLE_FIELDS = frozenset(Instrument.__struct_fields__) - {
    "venue",
    "symbol",
    "kind",
    "base",
    "quote",
    "settle",
}


class Schedule:
    """Maintenances and rule changes; times count from the creation of the store."""

    def __init__(self, settings: VenueSettings, created: TimeNs) -> None:
        """Check the changes.

        Raises: SettingsError when one is invalid.
        """
        self._maintenances = [
            (created + each.after, created + each.after + each.duration) for each in settings.maintenances
        ]
        self._pending = sorted(settings.rule_changes, key=lambda each: each.after)
        self._created = created
        rules = {each.instrument.symbol: each.instrument for each in settings.symbols}
        for change in self._pending:
            try:
                rules[change.symbol] = changed(rules[change.symbol], change.changes)
            except (ValueError, msgspec.ValidationError) as error:
                raise SettingsError(f"rule_changes: {change.symbol}: {error}") from error

    def maintenance_end(self, time: TimeNs) -> TimeNs | None:
        """Return the end of the maintenance at a time, None if there is none."""
        return next((end for start, end in self._maintenances if start <= time < end), None)

    def take_due(self, time: TimeNs) -> list[RuleChange]:
        """Return the changes that are due at a time and were not returned before: all earlier ones after a start."""
        count = sum(1 for each in self._pending if self._created + each.after <= time)
        due, self._pending = self._pending[:count], self._pending[count:]
        return due


def changed(rules: Instrument, changes: dict[str, object]) -> Instrument:
    """Return trading rules with changes of some fields.

    Raises: ValueError or msgspec.ValidationError when a field cannot be changed, or not to this value.
    """
    if unknown := sorted(changes.keys() - CHANGEABLE_FIELDS):
        raise ValueError(f"cannot be changed: {', '.join(unknown)}")
    fields = {name: getattr(rules, name) for name in rules.__struct_fields__}
    return msgspec.convert(msgspec.to_builtins(fields, builtin_types=(Decimal,)) | changes, Instrument)
