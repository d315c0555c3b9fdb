"""The newest of what comes once: bounded, in order of time, and deaf to repetitions."""

from bisect import insort
from typing import Generic, TypeVar

from schemas.units import TimeNs

T = TypeVar("T")
Key = tuple[TimeNs, str]


class Recent(Generic[T]):
    """Keeps the newest `size` items by (time, id), whatever the order they come in."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: list[Key] = []
        self._items: dict[Key, T] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._items

    def get(self, key: Key) -> T | None:
        return self._items.get(key)

    def put(self, key: Key, item: T) -> bool:
        """Keep an item, in place of one with the same key; False when it is older than all that are kept."""
        if key not in self._items:
            if len(self._keys) >= self._size:
                if key < self._keys[0]:
                    return False
                del self._items[self._keys.pop(0)]
            insort(self._keys, key)
        self._items[key] = item
        return True

    def items(self) -> list[tuple[Key, T]]:
        """Return everything kept with its key, oldest first."""
        return [(key, self._items[key]) for key in self._keys]

    def values(self) -> list[T]:
        return [self._items[key] for key in self._keys]
