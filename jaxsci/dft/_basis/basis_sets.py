"""The functions of each element in a basis, with the core potentials that belong to them."""

import functools
import importlib.util
import pathlib
import re
import warnings
from collections.abc import Iterable
from typing import Any

from .elements import NUMBERS, Label, check_symbol

# Families of one core potential for basis sets of many names.
_FAMILIES = re.compile("ccecp(he|reg|28|36)?|bfd")
_LAST_BARE_OF_DEF2 = 36  # krypton: heavier atoms have a core potential


def read(basis: Any, labels: Iterable[Label]) -> tuple[dict[str, Any], dict[str, Any]]:
    """For each atom's label its functions, and where its basis set has one its core potential.

    **Arguments:** `basis` is what PySCF takes: a name or functions, for all atoms or in a
    dictionary by label ("H1", "ghost-O") or element, where "default" stands for all others. Ghosts
    have functions alone.

    **Raises:** `ValueError` for a name that PySCF does not have, an atom without functions, a label
    that no atom has, or a set that is made for a potential which PySCF does not have under its
    name.
    """
    labels = sorted(set(labels))
    functions, potentials = {}, {}
    for label, entry in _by_label(basis, labels).items():
        element, named = label.element, isinstance(entry, str)
        functions[str(label)] = _load(entry, element, labels) if named else entry
        if not label.ghost and (potential := _potential(entry, element)):
            potentials[str(label)] = potential
    return functions, potentials


def _by_label(basis: Any, labels: list[Label]) -> dict[Label, Any]:
    if not isinstance(basis, dict):
        return dict.fromkeys(labels, basis)
    entries = {k if k == "default" else check_symbol(k, "basis"): v for k, v in basis.items()}
    names = {str(label) for label in labels} | {label.element + label.tag for label in labels}
    unused = [k for k in entries if k not in names and any(c.isdigit() for c in k)]
    if unused:
        raise ValueError(
            f"the basis names {', '.join(unused)}, and no atom has that label: the atoms are "
            f"{', '.join(map(str, labels))}."
        )
    found = {label: _entry(entries, label) for label in labels}
    missing = [str(label) for label, entry in found.items() if not entry]
    if missing:
        raise ValueError(
            f"the basis has no functions for {', '.join(missing)}: add them, or a 'default'. Got "
            f"{basis!r:.200}."
        )
    return found


def _entry(entries: dict[str, Any], label: Label) -> Any:
    """Of the atom's own label, of ghosts of its element, of its element, or the default."""
    of_ghosts = [str(label._replace(tag=""))] if label.ghost else []
    places = [str(label), *of_ghosts, label.element + label.tag, label.element, "default"]
    return next((entries[name] for name in places if name in entries), None)


def _load(name: str, symbol: str, labels: list[Label]) -> list:
    found = _functions(name, symbol, _content(name))
    if not found:
        elements = ", ".join(sorted({label.element for label in labels}))
        raise ValueError(
            f"PySCF has no basis {name!r} for {symbol}. Use one that covers {elements} (sto-3g, "
            f"6-31g*, cc-pvdz, def2-svp, def2-tzvp, ...), or a PySCF basis dictionary.{_advice()}"
        )
    return found


def _advice() -> str:
    """How to have the names of the Basis Set Exchange, where they are missing."""
    if importlib.util.find_spec("basis_set_exchange"):
        return " The Basis Set Exchange has none either."
    return " More names are known with the Basis Set Exchange: pip install basis-set-exchange."


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


def _canonical(name: str) -> str:
    """The name without what stands between "unc" and a set, which would hide it from PySCF."""
    return re.sub("^unc[-_ ]*", "unc", name, flags=re.IGNORECASE)


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
            return gto.format_basis({symbol: _canonical(name)})[symbol]
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
    name = re.sub("^unc", "", _canonical(name), flags=re.IGNORECASE)
    plain = _plain(name)
    if family := _FAMILIES.match(plain):
        return [family[0]]
    files = basis.ALIAS.get(plain)
    if isinstance(files, tuple):  # a set and what augments it, where PySCF looks for one file
        return [str(pathlib.Path(basis.__file__).parent / file) for file in files]
    return [name, "def2-svp"] if "def2" in plain else [name]
