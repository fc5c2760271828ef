"""Functionals by name: `xc("pbe")`, `xc("lda,vwn")`, `xc("b3lyp")`."""

import difflib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .._dispersion.dispersion import Dispersion, d3, d4
from .._dispersion.fixed_pairs import chai_head_gordon
from .b88 import b88, b88_sr
from .b97 import wb97x_d_local, wb97x_local, wb97x_v_local
from .b97m import b97m_local, wb97m_local
from .features import Level
from .functional import Functional
from .hse import pbe_x_sr
from .lyp import lyp
from .m06 import m06_2x_c, m06_2x_x, m06_l_c, m06_l_x
from .p86 import p86
from .pbe import pbe_c, pbe_x, pbesol_c, pbesol_x, revpbe_x
from .pw6b95 import EXACT_EXCHANGE, pw6b95_local
from .pw91 import pw91_c, pw91_x
from .pw92 import pw92, pw92_mod
from .pz81 import pz81
from .r2scan import r2scan_c, r2scan_x
from .scan import rscan_c, rscan_x, scan_c, scan_x
from .slater import slater, slater_sr
from .tpss import tpss_c, tpss_x
from .vv10 import VV10
from .vwn import vwn5, vwn_rpa


def _single(name: str, level: Level, energy: Callable, *constants: float) -> Functional:
    return Functional(((1.0, _WithoutParams(energy, constants)),), level, name=name)


class _WithoutParams(NamedTuple):
    """`e(features, *constants)` as `e(params, features)`.

    Not a lambda: it compares equal by value, and compiled programs are cached by functional.
    """

    energy: Callable
    constants: tuple[float, ...]

    def __call__(self, params: Any, features):
        return self.energy(features, *self.constants)


_EXCHANGE = {
    "slater": _single("slater", "lda", slater),
    "pbe_x": _single("pbe_x", "gga", pbe_x),
    "revpbe_x": _single("revpbe_x", "gga", revpbe_x),
    "pbesol_x": _single("pbesol_x", "gga", pbesol_x),
    "b88": _single("b88", "gga", b88),
    "pw91_x": _single("pw91_x", "gga", pw91_x),
    "tpss_x": _single("tpss_x", "mgga", tpss_x),
    "scan_x": _single("scan_x", "mgga", scan_x),
    "rscan_x": _single("rscan_x", "mgga", rscan_x),
    "r2scan_x": _single("r2scan_x", "mgga", r2scan_x),
    "m06_l_x": _single("m06_l_x", "mgga", m06_l_x),
    "m06_2x_x": _single("m06_2x_x", "mgga", m06_2x_x),
    "hf": Functional((), "lda", 1.0, "hf"),
}
# Exchange of one range only, for a given ω.
_SEPARATED = {
    "slater_sr": lambda omega: _single("slater_sr", "lda", slater_sr, omega),
    "b88_sr": lambda omega: _single("b88_sr", "gga", b88_sr, omega),
    "pbe_x_sr": lambda omega: _single("pbe_x_sr", "gga", pbe_x_sr, omega),
    "hf_lr": lambda omega: Functional(
        (), "lda", name="hf_lr", long_range_exchange=1.0, omega=omega
    ),
}
_CORRELATION = {
    "vwn5": _single("vwn5", "lda", vwn5),
    "vwn_rpa": _single("vwn_rpa", "lda", vwn_rpa),
    "pw92": _single("pw92", "lda", pw92),
    "pw92_mod": _single("pw92_mod", "lda", pw92_mod),
    "pbe_c": _single("pbe_c", "gga", pbe_c),
    "pbesol_c": _single("pbesol_c", "gga", pbesol_c),
    "pz81": _single("pz81", "lda", pz81),
    "lyp": _single("lyp", "gga", lyp),
    "p86": _single("p86", "gga", p86),
    "pw91_c": _single("pw91_c", "gga", pw91_c),
    "tpss_c": _single("tpss_c", "mgga", tpss_c),
    "scan_c": _single("scan_c", "mgga", scan_c),
    "rscan_c": _single("rscan_c", "mgga", rscan_c),
    "r2scan_c": _single("r2scan_c", "mgga", r2scan_c),
    "m06_l_c": _single("m06_l_c", "mgga", m06_l_c),
    "m06_2x_c": _single("m06_2x_c", "mgga", m06_2x_c),
    "vv10": Functional((), "gga", name="vv10", nonlocal_terms=((1.0, VV10(5.9, 0.0093)),)),
}
# Other names of the parts of "exchange,correlation", as in PySCF and libxc.
_EXCHANGE_ALIAS = {
    "lda": "slater",
    "s": "slater",
    "pbe": "pbe_x",
    "revpbe": "revpbe_x",
    "pbesol": "pbesol_x",
    "b": "b88",
    "pw91": "pw91_x",
    "tpss": "tpss_x",
    "scan": "scan_x",
    "rscan": "rscan_x",
    "r2scan": "r2scan_x",
}
_CORRELATION_ALIAS = {
    "vwn": "vwn5",
    "pw": "pw92",
    "pw_mod": "pw92_mod",
    "pbe": "pbe_c",
    "pbesol": "pbesol_c",
    "pz": "pz81",
    "pw91": "pw91_c",
    "tpss": "tpss_c",
    "scan": "scan_c",
    "rscan": "rscan_c",
    "r2scan": "r2scan_c",
}


# Endings of names that add dispersion, as in "pbe-d3bj".
_DISPERSION: dict[str, Callable[[str], Dispersion]] = {
    "d3bj": d3,
    "d3(bj)": d3,
    "d3zero": lambda name: d3(name, "zero"),
    "d3(0)": lambda name: d3(name, "zero"),
    "d4": d4,
}
_SPELLING = {
    "bp": "bp86",
    "camb3lyp": "cam-b3lyp",
    "m06l": "m06-l",
    "m062x": "m06-2x",
    "wb97xd": "wb97x-d",
    "wb97xv": "wb97x-v",
    "b97mv": "b97m-v",
    "wb97mv": "wb97m-v",
}


def _b3lyp() -> Functional:
    # Stephens et al., J. Phys. Chem. 98, 11623 (1994), with VWN's RPA fit as in Gaussian.
    x, c = _EXCHANGE, _CORRELATION
    local = 0.08 * x["slater"] + 0.72 * x["b88"] + 0.19 * c["vwn_rpa"] + 0.81 * c["lyp"]
    return local + 0.2 * x["hf"]


def _global_hybrid(exchange: str, correlation: str, exact: float) -> Functional:
    local = (1 - exact) * _EXCHANGE[exchange] + _CORRELATION[correlation]
    return local + exact * _EXCHANGE["hf"]


def _hse06() -> Functional:
    # Krukau, Vydrov, Izmaylov & Scuseria, J. Chem. Phys. 125, 224106 (2006).
    whole, short = (_single("pbe_x_sr", "gga", pbe_x_sr, omega) for omega in (0.0, 0.11))
    exact = _EXCHANGE["hf"] + -1 * _SEPARATED["hf_lr"](0.11)
    return whole + -0.25 * short + _CORRELATION["pbe_c"] + 0.25 * exact


def _cam_b3lyp() -> Functional:
    # Yanai, Tew & Handy, Chem. Phys. Lett. 393, 51 (2004).
    x, c = _EXCHANGE, _CORRELATION
    local = 0.35 * x["b88"] + 0.46 * _SEPARATED["b88_sr"](0.33) + 0.19 * c["vwn5"] + 0.81 * c["lyp"]
    return local + 0.19 * x["hf"] + 0.46 * _SEPARATED["hf_lr"](0.33)


def _long_range_corrected(local: Functional, short: float, omega: float) -> Functional:
    """With all of exact exchange at long range, and a fraction of it at short range."""
    return local + short * _EXCHANGE["hf"] + (1 - short) * _SEPARATED["hf_lr"](omega)


_WB97X_V = _long_range_corrected(_single("wb97x_v_local", "gga", wb97x_v_local), 0.167, 0.3)
_B97M = _single("b97m_local", "mgga", b97m_local)
_WB97M = _long_range_corrected(_single("wb97m_local", "mgga", wb97m_local), 0.15, 0.3)
# VV10 with the constants of the functionals whose names end in V.
_VV10_V = Functional((), "gga", nonlocal_terms=((1.0, VV10(6.0, 0.01)),))


_COMBINED: dict[str, Functional] = {
    "lda": _EXCHANGE["slater"],
    "svwn": _EXCHANGE["slater"] + _CORRELATION["vwn5"],
    "pbe": _EXCHANGE["pbe_x"] + _CORRELATION["pbe_c"],
    "revpbe": _EXCHANGE["revpbe_x"] + _CORRELATION["pbe_c"],
    "pbesol": _EXCHANGE["pbesol_x"] + _CORRELATION["pbesol_c"],
    "pw91": _EXCHANGE["pw91_x"] + _CORRELATION["pw91_c"],
    "bp86": _EXCHANGE["b88"] + _CORRELATION["p86"],
    "blyp": _EXCHANGE["b88"] + _CORRELATION["lyp"],
    "tpss": _EXCHANGE["tpss_x"] + _CORRELATION["tpss_c"],
    "scan": _EXCHANGE["scan_x"] + _CORRELATION["scan_c"],
    "rscan": _EXCHANGE["rscan_x"] + _CORRELATION["rscan_c"],
    "r2scan": _EXCHANGE["r2scan_x"] + _CORRELATION["r2scan_c"],
    "m06-l": _EXCHANGE["m06_l_x"] + _CORRELATION["m06_l_c"],
    "m06-2x": _EXCHANGE["m06_2x_x"] + _CORRELATION["m06_2x_c"] + 0.54 * _EXCHANGE["hf"],
    "pw6b95": _single("pw6b95_local", "mgga", pw6b95_local) + EXACT_EXCHANGE * _EXCHANGE["hf"],
    "b3lyp": _b3lyp(),
    # Adamo & Barone, J. Chem. Phys. 110, 6158 (1999); revPBE likewise.
    "pbe0": _global_hybrid("pbe_x", "pbe_c", 0.25),
    "revpbe0": _global_hybrid("revpbe_x", "pbe_c", 0.25),
    # Staroverov, Scuseria, Tao & Perdew, J. Chem. Phys. 119, 12129 (2003).
    "tpssh": _global_hybrid("tpss_x", "tpss_c", 0.1),
    # Bursch, Neugebauer, Ehlert & Grimme, J. Chem. Phys. 156, 134105 (2022).
    "r2scan0": _global_hybrid("r2scan_x", "r2scan_c", 0.25),
    "hse06": _hse06(),
    "cam-b3lyp": _cam_b3lyp(),
    "wb97x": _long_range_corrected(_single("wb97x_local", "gga", wb97x_local), 0.157706, 0.3),
    "wb97x-v": _WB97X_V + _VV10_V,
    "wb97x-d": _long_range_corrected(_single("wb97x_d_local", "gga", wb97x_d_local), 0.222036, 0.2)
    + Functional((), "lda", nuclear_terms=((1.0, chai_head_gordon),)),
    "b97m-v": _B97M + _VV10_V,
    "wb97m-v": _WB97M + _VV10_V,
}


# Those that are published only together with a dispersion energy, D3 or D4.
_WITH_DISPERSION = {"b97m": _B97M, "wb97m": _WB97M}


def functional_names() -> tuple[str, ...]:
    """The names of all functionals that `xc` accepts without `omega`.

    **Returns:** combinations first, then exchange, then correlation.

    ```python
    jsci.dft.functional_names()  # ("lda", "svwn", "pbe", ...)
    ```
    """
    return tuple(_COMBINED) + tuple(_EXCHANGE) + tuple(_CORRELATION)


def xc(name: str, *, omega: float | None = None) -> Functional:
    """The exchange-correlation functional of a given name.

    **Arguments:**

    - `name`: a combination ("pbe", "scan", "b3lyp", "m06-2x", "svwn", ...), one part ("b88",
        "lyp", ...), or "exchange,correlation" ("lda,vwn", "b88,", ",pbe"). Case is ignored, and
        spellings of PySCF and libxc ("M06_2X", "wB97XD") are known. A combination may end in
        "-d3bj", "-d3zero" or "-d4", which adds the dispersion energy of `d3` or `d4`;
        "b97m" and "wb97m" must end in "-v", "-d3bj" or "-d4".
    - `omega`: the range separation ω in Bohr⁻¹, only for exchange of one range: "slater_sr",
        "b88_sr" and "pbe_x_sr" (short range, erfc(ω r)/r), "hf_lr" (exact exchange at long range,
        erf(ω r)/r).

    **Returns:** a `Functional`, callable as `functional(None, features)` at one point. "hse06",
    "cam-b3lyp", "wb97x", "wb97x-d", "wb97x-v" and "wb97m-v" are range-separated: build the molecule
    with `omega=functional.omega`. "vv10" and names in "-v" sum over all pairs of grid points.
    "wb97x-d" contains its own dispersion energy.

    **Raises:** `ValueError` for an unknown name, listing the nearest known ones, for dispersion
    without parameters for that functional, or for an `omega` that is missing, not positive, or not
    applicable; `TypeError` if `name` is not a string.

    ```python
    functional = jsci.dft.xc("pbe")
    result = jsci.dft.scf(water, functional)
    jsci.dft.forces(water, jsci.dft.xc("pbe-d3bj"))
    0.75 * jsci.dft.xc("pbe_x") + jsci.dft.xc("pbe_c") + 0.25 * jsci.dft.xc("hf")  # PBE0
    ```
    """
    if not isinstance(name, str):
        raise TypeError(f"xc() takes a name such as 'pbe', got {type(name).__name__}.")
    key = _spelled(name)
    if key in _SEPARATED:
        if omega is None or not omega > 0:
            raise ValueError(f"xc({key!r}) needs omega > 0 (1/Bohr), got {omega!r}.")
        return _SEPARATED[key](omega)
    if omega is not None:
        raise ValueError(f"omega is for {', '.join(_SEPARATED)}; xc({name!r}) takes none.")
    known = {**_EXCHANGE, **_CORRELATION, **_COMBINED}
    if key in known:
        return known[key].named(key)
    base, dash, ending = key.rpartition("-")
    base = _spelled(base)
    if dash and ending in _DISPERSION:
        without = _WITH_DISPERSION.get(base) or xc(base)
        return (without + _DISPERSION[ending](base)).named(key)
    if key in _WITH_DISPERSION:
        raise ValueError(
            f"xc({name!r}) is part of a functional whose other part is the dispersion: write "
            f"'{key}-v' (with VV10), '{key}-d3bj' or '{key}-d4'."
        )
    if re.fullmatch("d[2-4].*", ending):
        raise ValueError(
            f"xc({name!r}): {ending!r} is no dispersion that is known. Known endings: "
            f"{', '.join('-' + e for e in _DISPERSION)}."
        )
    if key.count(",") == 1:
        exchange, correlation = key.split(",")
        parts = [_part(exchange, _EXCHANGE, _EXCHANGE_ALIAS, name)] if exchange else []
        if correlation:
            parts.append(_part(correlation, _CORRELATION, _CORRELATION_ALIAS, name))
        if parts:
            return sum(parts[1:], parts[0]).named(key)
    raise ValueError(_unknown(name, key, (*functional_names(), *_SEPARATED)))


def _spelled(name: str) -> str:
    """A name as the tables have it: in lower case, with hyphens where libxc has underscores."""
    key = name.lower().replace(" ", "").replace("ω", "w")
    hyphens = key.replace("_", "-")
    known = hyphens in _COMBINED or hyphens.rpartition("-")[2] in _DISPERSION
    key = hyphens if known else key
    return _SPELLING.get(key, key)


def _part(key: str, table: dict[str, Functional], alias: dict[str, str], name: str) -> Functional:
    key = alias.get(key, key)
    if key not in table:
        raise ValueError(_unknown(name, key, (*table, *alias)))
    return table[key]


def _unknown(name: str, key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return (
        f"unknown functional {name!r}.{hint} Known: {', '.join(known)}; or write your own "
        "pure function exc(params, features)."
    )
