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
_LAST_BARE_OF_DEF2 = 36  # krypton: heavier atoms have a core potential


def read(basis: Any, symbols: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """For each element its functions, and where its basis set has one its core potential.

    **Arguments:** `basis` is what PySCF takes: a name or functions, for all elements or in a
    dictionary by element, where "default" stands for those that it does not name.

    **Raises:** `ValueError` for a name that PySCF does not have, an element without functions, or
    a set that is made for a potential which PySCF does not have under its name.
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
    if found:
        return found[0]
    for name in names:
        _check_bare(name, symbol)
    return None


def _check_bare(name: str, symbol: str) -> None:
    """Refuse sets for a potential by name: not all of them lack the functions of an inner shell."""
    if "\n" in name or _content(name) is not None:
        return  # text and files have names of their own
    if for_gth(name):
        kind, argument = "a GTH pseudopotential", "pseudo"
    elif "def2" in _plain(name) and NUMBERS[symbol] > _LAST_BARE_OF_DEF2:
        kind, argument = "an effective core potential that PySCF does not have", "ecp"
    else:
        return
    raise ValueError(
        f"the basis {name} of {symbol} is made for {kind}: a PySCF Mole takes it, "
        f"molecule(gto.M(..., basis=..., {argument}=...))."
    )


def for_gth(name: Any) -> bool:
    """Whether this is the name of a basis set for GTH pseudopotentials."""
    return isinstance(name, str) and _plain(name).startswith("gth")


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

    for place in (name,) if content is not None else _places_of_potential(name):
        try:
            with warnings.catch_warnings(action="ignore"):
                if potential := gto.basis.load_ecp(place, symbol):
                    return potential
        except (KeyError, ValueError, RuntimeError, OSError):
            continue
    return None  # an all-electron basis set


def _places_of_potential(name: str) -> list[str]:
    """Names and files under which PySCF may have the core potential of a basis set."""
    from pyscf.gto import basis

    # Uncontracted or truncated, a set keeps its potential.
    name = name.partition("@")[0]
    name = name[3:] if name.lower().startswith("unc") else name
    plain = _plain(name)
    if family := _FAMILIES.match(plain):
        return [family[0]]
    files = basis.ALIAS.get(plain)
    if isinstance(files, tuple):  # a set and what augments it, where PySCF looks for one file
        return [str(pathlib.Path(basis.__file__).parent / file) for file in files]
    return [name, "def2-svp"] if "def2" in plain else [name]
