"""The functions of each element in a basis, with the core potentials that belong to them."""

import functools
import pathlib
import re
import warnings
from collections.abc import Iterable
from typing import Any

from .elements import NUMBERS, check_symbol

# Families of one core potential for basis sets of many names.
_FAMILIES = re.compile("ccecp(he|reg|28|36)?|bfd")


def read(basis: Any, symbols: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """For each element its functions, and where its basis set has one its core potential.

    **Arguments:** `basis` is what PySCF takes: a name or functions, for all elements or in a
    dictionary by element, where "default" stands for those that it does not name.

    **Raises:** `ValueError` for a name that PySCF does not have, an element without functions, or
    GTH sets of H and He.
    """
    symbols = tuple(sorted(symbols))
    functions, potentials = {}, {}
    for symbol, entry in _by_element(basis, symbols).items():
        functions[symbol] = _load(entry, symbol, symbols) if isinstance(entry, str) else entry
        potential = _potential(entry, symbol)
        if potential:
            potentials[symbol] = potential
    return functions, potentials


def _by_element(basis: Any, symbols: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(basis, dict):
        return dict.fromkeys(symbols, basis)
    entries = {k if k == "default" else check_symbol(k, "basis"): v for k, v in basis.items()}
    default = entries.get("default")
    found = {symbol: entries.get(symbol, default) for symbol in symbols}
    missing = [symbol for symbol, entry in found.items() if not entry]
    if missing:
        raise ValueError(
            f"the basis has no functions for {', '.join(missing)}: add them, or a 'default'. Got "
            f"{basis!r:.200}."
        )
    return found


def _load(name: str, symbol: str, symbols: tuple[str, ...]) -> list:
    found = _functions(name, symbol, _content(name))
    if not found:
        raise ValueError(
            f"PySCF has no basis {name!r} for {symbol}. Use one that covers "
            f"{', '.join(symbols)} (sto-3g, 6-31g*, cc-pvdz, def2-svp, def2-tzvp, ...), or a "
            "PySCF basis dictionary."
        )
    return found


def _potential(entry: Any, symbol: str) -> list | None:
    """The effective core potential of an element's basis set, by its name."""
    # PySCF takes names, functions, and lists of both.
    names = [entry] if isinstance(entry, str) else [x for x in entry if isinstance(x, str)]
    found = [p for name in names if (p := _core_potential(name, symbol, _content(name)))]
    if any(p != found[0] for p in found):
        raise ValueError(
            f"the basis of {symbol} joins sets with different core potentials: {', '.join(names)}."
        )
    # By their inner shell others are recognised, which these have not.
    if not found and NUMBERS[symbol] < 3 and any(_plain(name).startswith("gth") for name in names):
        raise ValueError(
            f"the basis {', '.join(names)} of {symbol} is made for a GTH pseudopotential, which a "
            "PySCF Mole takes: molecule(gto.M(..., basis=..., pseudo=...))."
        )
    return found[0] if found else None


def _plain(name: str) -> str:
    """The name as PySCF looks it up."""
    return re.sub("[-_ ]", "", name.lower())


def _content(name: str) -> str | None:
    """What a file holds now, so that an edited file is read again; `None` for other names."""
    if "\n" in name:
        return None  # the functions themselves, as text
    path = pathlib.Path(name.partition("@")[0])  # "file@3s2p" truncates what the file holds
    return path.read_text() if path.is_file() else None


@functools.lru_cache(maxsize=1024)
def _functions(name: str, symbol: str, content: str | None) -> list | None:
    """Read once: PySCF would parse its file for every molecule."""
    from pyscf import gto

    del content  # a part of the key
    try:
        with warnings.catch_warnings(action="ignore"):  # PySCF advertises another package
            return gto.format_basis({symbol: name})[symbol]
    except (KeyError, RuntimeError, OSError):
        return None


@functools.lru_cache(maxsize=1024)
def _core_potential(name: str, symbol: str, content: str | None) -> list | None:
    from pyscf import gto

    if content is None:
        # Uncontracted or truncated, a set keeps its potential.
        name = name.partition("@")[0]
        name = name[3:] if name.lower().startswith("unc") else name
        family = _FAMILIES.match(_plain(name))
        name = family[0] if family else name
    try:
        with warnings.catch_warnings(action="ignore"):
            return gto.basis.load_ecp(name, symbol)
    except (KeyError, ValueError, RuntimeError, OSError):
        return None  # an all-electron basis set
