"""The chemical elements, by symbol."""

import difflib
import re

_TABLE = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn"
)
SYMBOLS = tuple(_TABLE.split())
NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS, 1)}


def check_symbol(symbol: str, where: str) -> str:
    """The symbol in standard spelling; a number stands for its element.

    **Raises:** `ValueError` naming `where` and the nearest known symbols.
    """
    text = str(symbol).strip()
    if re.fullmatch("[0-9]{1,3}", text) and 1 <= int(text) <= len(SYMBOLS):
        return SYMBOLS[int(text) - 1]
    if text.capitalize() in NUMBERS:
        return text.capitalize()
    if text.lower().startswith(("ghost", "gh(", "x-", "@")) or text.lower() == "x":
        raise ValueError(
            f"{where}: {symbol!r} is a ghost atom, which comes by a PySCF Mole: "
            'molecule(pyscf.gto.M(atom="He 0 0 0; ghost-He 0 0 1", basis=...)).'
        )
    near = difflib.get_close_matches(text.capitalize(), SYMBOLS, n=3, cutoff=0.3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"{where}: unknown element {symbol!r}.{hint} Known: H to Rn.")
