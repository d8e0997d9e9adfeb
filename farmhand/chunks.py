"""Long lists in pieces, for statements and calls that take only so many; pure."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def chunked(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Cut items, in their order, into pieces of at most `size`.

    >>> [*chunked("abcde", 2)]
    ['ab', 'cd', 'e']
    """
    return (items[start : start + size] for start in range(0, len(items), size))
