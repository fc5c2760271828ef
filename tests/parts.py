"""Slow tests in parts: JSCI_SLOW_PART=k/n keeps those of part k, from 1 to n."""

import zlib


def check_part(wanted: str) -> tuple[int, int]:
    """k and n of "k/n"."""
    part, _, parts = wanted.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise ValueError(f"JSCI_SLOW_PART={wanted}: must be a part and their number, as in 3/24")
    return int(part), int(parts)


def in_part(nodeid: str, part: int, parts: int) -> bool:
    """Whether a test falls into this part, by its name alone: a new test moves no other."""
    return zlib.crc32(nodeid.encode()) % parts == part - 1
