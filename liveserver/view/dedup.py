"""A bounded window of the newest items, ordered by time, in which each id occurs once."""

from bisect import insort
from typing import Generic, TypeVar

from schemas.units import TimeNs

T = TypeVar("T")
Key = tuple[TimeNs, str]
"""Time and id."""


class DedupWindow(Generic[T]):
    """Keeps the newest `size` items by key, in any order of arrival."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: list[Key] = []
        self._items: dict[Key, T] = {}

    def get(self, key: Key) -> T | None:
        return self._items.get(key)

    def put(self, key: Key, item: T) -> bool:
        """Store an item, replacing one with the same key; return False if it is older than a full window."""
        if key not in self._items:
            if len(self._keys) >= self._size:
                if key < self._keys[0]:
                    return False
                del self._items[self._keys.pop(0)]
            insort(self._keys, key)
        self._items[key] = item
        return True

    def add(self, key: Key, item: T) -> bool:
        """Store a new item; return False if the key is known or older than a full window."""
        return key not in self._items and self.put(key, item)

    def items(self) -> list[tuple[Key, T]]:
        """Return all keys and items, oldest first."""
        return [(key, self._items[key]) for key in self._keys]

    def values(self) -> list[T]:
        """Return all items, oldest first."""
        return [self._items[key] for key in self._keys]
