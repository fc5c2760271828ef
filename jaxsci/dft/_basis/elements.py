"""The chemical elements by symbol, and the labels of atoms, which may be ghosts or numbered."""

import difflib
import re
import warnings
from typing import NamedTuple

_TABLE = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn"
)
SYMBOLS = tuple(_TABLE.split())
NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS, 1)}
# Nuclei of hydrogen with symbols of their own: for electrons only the charge counts.
_HYDROGENS = {"D": "H", "T": "H"}

_GHOST = re.compile(r"(?:ghost[-_:. ]?|gh\(|x[-_:.]|@)(?P<rest>.*?)\)?", re.IGNORECASE)
_LABEL = re.compile(r"(?P<symbol>[A-Za-z]+)[-_:.]?(?P<tag>[0-9]{0,6})")


class Label(NamedTuple):
    """An atom as it is named: "O", "H1", "ghost-O".

    - `element`: its symbol.
    - `tag`: digits that tell it from others of its element, or nothing.
    - `ghost`: whether it has basis functions and grid points alone.
    """

    element: str
    tag: str = ""
    ghost: bool = False

    def __str__(self) -> str:
        return f"{'ghost-' if self.ghost else ''}{self.element}{self.tag}"

    @property
    def number(self) -> int:
        """Protons, none of a ghost."""
        return 0 if self.ghost else NUMBERS[self.element]


def read_label(text: str, where: str) -> Label:
    """The label that is written: "H", "h1", "ghost-O", "X-O", "@O", "Gh(O)", "D", or a number.

    It warns of "D" and "T", whose masses are lost.

    **Raises:** `ValueError` naming `where` and the nearest known symbols.
    """
    text = str(text).strip()
    if re.fullmatch("[0-9]{1,3}", text) and 1 <= int(text) <= len(SYMBOLS):
        return Label(SYMBOLS[int(text) - 1])
    ghost = _GHOST.fullmatch(text)
    written = _LABEL.fullmatch(ghost["rest"] if ghost else text)
    symbol = written["symbol"].capitalize() if written else ""
    if symbol in _HYDROGENS:
        warnings.warn(
            f"{where}: {text} is taken as hydrogen, whose mass vibrations() uses unless it is "
            "given masses=.",
            stacklevel=2,
        )
        symbol = _HYDROGENS[symbol]
    if written and symbol in NUMBERS:
        return Label(symbol, written["tag"], bool(ghost))
    if ghost or text.lower() == "x":
        raise ValueError(
            f"{where}: the ghost {text!r} needs a known element, whose basis functions and grid "
            'points it has: "ghost-O", "X-O" or "@O".'
        )
    near = difflib.get_close_matches(text.capitalize(), SYMBOLS, n=3, cutoff=0.3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"{where}: unknown element {text!r}.{hint} Known: H to Rn.")


def check_symbol(text: str, where: str) -> str:
    """The label in standard spelling; see `read_label`."""
    return str(read_label(text, where))
