"""An increasing list of sequences with fast appends, deletions and ranks: in blocks of some hundred."""

from bisect import bisect_left
from collections.abc import Iterator

BLOCK = 512


class Sequences:
    """Sequences in increasing order. New ones are larger than all others."""

    __slots__ = ("_blocks", "_count", "_maxima")

    def __init__(self) -> None:
        self._blocks: list[list[int]] = []
        self._maxima: list[int] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def first(self) -> int:
        return self._blocks[0][0]

    @property
    def last(self) -> int:
        return self._maxima[-1]

    def append(self, sequence: int) -> None:
        blocks = self._blocks
        if blocks and len(blocks[-1]) < BLOCK:
            blocks[-1].append(sequence)
            self._maxima[-1] = sequence
        else:
            blocks.append([sequence])
            self._maxima.append(sequence)
        self._count += 1

    def remove(self, sequence: int) -> None:
        """Remove a sequence, which must be in the list."""
        at = bisect_left(self._maxima, sequence)
        block = self._blocks[at]
        if block[0] == sequence:
            del block[0]
        else:
            del block[bisect_left(block, sequence)]
        if not block:
            del self._blocks[at], self._maxima[at]
        else:
            self._maxima[at] = block[-1]
        self._count -= 1

    def at_or_after(self, sequence: int) -> int:
        """Return the smallest one that is not below `sequence`; 0 when there is none."""
        at = bisect_left(self._maxima, sequence)
        if at == len(self._maxima):
            return 0
        block = self._blocks[at]
        return block[bisect_left(block, sequence)]

    def at_or_before(self, sequence: int) -> int:
        """Return the largest one that is not above `sequence`; 0 when there is none."""
        rank = self.count_before(sequence + 1)
        return self.at_rank(rank - 1) if rank else 0

    def at_rank(self, rank: int) -> int:
        """Return the one with so many before it."""
        for block in self._blocks:
            if rank < len(block):
                return block[rank]
            rank -= len(block)
        raise IndexError(rank)

    def count_before(self, sequence: int) -> int:
        """Return the number of those below `sequence`."""
        at = bisect_left(self._maxima, sequence)
        count = sum(map(len, self._blocks[:at]))
        return count + bisect_left(self._blocks[at], sequence) if at < len(self._blocks) else count

    def iterate(self, start: int = 0) -> Iterator[int]:
        """Yield those that are not below `start`; the list must not change meanwhile."""
        at = bisect_left(self._maxima, start)
        if at < len(self._blocks):
            block = self._blocks[at]
            yield from block[bisect_left(block, start) :] if start else block
            for block in self._blocks[at + 1 :]:
                yield from block

    def copy(self) -> "Sequences":
        twin = Sequences()
        twin._blocks = [block.copy() for block in self._blocks]
        twin._maxima = self._maxima.copy()
        twin._count = self._count
        return twin
