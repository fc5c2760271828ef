"""Damping parameters of each functional, as published and as simple-dftd3 and dftd4 have them."""

import difflib

from .models import Damping, Method

# a₁, s₈, a₂ with rational damping. Grimme, Ehrlich & Goerigk, J. Comput. Chem. 32, 1456 (2011);
# Goerigk & Grimme, Phys. Chem. Chem. Phys. 13, 6670 (2011); and where named beside.
_D3_RATIONAL = {
    "hf": (0.3385, 0.9171, 2.8830),
    "blyp": (0.4298, 2.6996, 4.2359),
    "bp86": (0.3946, 3.2822, 4.8516),
    "pbe": (0.4289, 0.7875, 4.4407),
    "revpbe": (0.5238, 2.3550, 3.5016),
    "pbesol": (0.4466, 2.9491, 6.1742),
    "pw91": (0.6319, 1.9598, 4.5718),  # Proc. Natl. Acad. Sci. 112, E7101 (2015)
    "tpss": (0.4535, 1.9435, 4.4752),
    "scan": (0.5380, 0.0, 5.4200),  # Phys. Rev. B 94, 115144 (2016)
    "rscan": (0.47023427, 1.08859014, 5.73408312),  # J. Chem. Phys. 154, 061101 (2021)
    "r2scan": (0.49484001, 0.78981345, 5.73083694),  # the same
    "b3lyp": (0.3981, 1.9889, 4.4211),
    "pbe0": (0.4145, 1.2177, 4.8593),
    "revpbe0": (0.4679, 1.7588, 3.7619),
    "tpssh": (0.4529, 2.2382, 4.6550),
    "r2scan0": (0.4534, 1.1846, 5.8972),  # J. Chem. Phys. 156, 134105 (2022)
    "hse06": (0.3830, 2.3100, 5.6850),  # J. Phys. Chem. C 118, 7615 (2014)
    "cam-b3lyp": (0.3708, 2.0674, 5.4743),
    "b97m": (-0.078, 0.1384, 5.5946),  # J. Chem. Theory Comput. 14, 5725 (2018)
    "wb97m": (0.566, 0.3908, 3.128),  # the same
    "pw6b95": (0.2076, 0.7257, 6.3750),
}
# s₆R, s₈, s₈R with zero damping. Grimme, Antony, Ehrlich & Krieg, J. Chem. Phys. 132, 154104
# (2010); Goerigk & Grimme (2011); and where named beside.
_D3_ZERO = {
    "hf": (1.158, 1.746, 1.0),
    "slater": (0.999, -1.957, 0.697),
    "blyp": (1.094, 1.682, 1.0),
    "bp86": (1.139, 1.683, 1.0),
    "pbe": (1.217, 0.722, 1.0),
    "revpbe": (0.923, 1.010, 1.0),
    "pbesol": (1.345, 0.612, 1.0),
    "tpss": (1.166, 1.105, 1.0),
    "scan": (1.324, 0.0, 1.0),  # Phys. Rev. B 94, 115144 (2016)
    "b3lyp": (1.261, 1.703, 1.0),
    "pbe0": (1.287, 0.928, 1.0),
    "tpssh": (1.223, 1.219, 1.0),
    "hse06": (1.129, 0.109, 1.0),  # J. Phys. Chem. C 118, 7615 (2014)
    "cam-b3lyp": (1.378, 1.217, 1.0),
    "m06-l": (1.581, 0.0, 1.0),
    "m06-2x": (1.619, 0.0, 1.0),
    "pw6b95": (1.532, 0.862, 1.0),
}
# a₁, s₈, a₂. Caldeweyher et al., J. Chem. Phys. 150, 154122 (2019), and where named beside.
_D4 = {
    "hf": (0.44959224, 1.61679827, 3.35743605),
    "blyp": (0.44488865, 2.34076671, 4.0933009),
    "bp86": (0.43645861, 3.35497927, 4.92406854),
    "pbe": (0.38574991, 0.95948085, 4.80688534),
    "revpbe": (0.536349, 1.7467653, 3.07261485),
    "pbesol": (0.47901421, 1.71885698, 5.96771589),  # dftd4
    "pw91": (0.39581542, 0.77283111, 4.93405761),
    "tpss": (0.42822303, 1.76596355, 4.54257102),
    "scan": (0.62930855, 1.46126056, 6.31284039),
    "rscan": (0.49116966, 0.87728975, 5.75859346),  # J. Chem. Phys. 154, 061101 (2021)
    "r2scan": (0.51559235, 0.6018749, 5.77342911),  # the same
    "b3lyp": (0.40868035, 2.02929367, 4.53807137),
    "pbe0": (0.40085597, 1.20065498, 5.02928789),
    "revpbe0": (0.38705966, 1.57185414, 4.11028876),
    "tpssh": (0.44286966, 1.8589775, 4.60230534),
    "r2scan0": (0.4778, 0.8992, 5.8779),  # J. Chem. Phys. 156, 134105 (2022)
    "hse06": (0.38663183, 1.19528249, 5.19133469),  # dftd4
    "cam-b3lyp": (0.40267156, 1.66041301, 5.17432195),
    "b97m": (0.4288, 0.6633, 3.9935),  # J. Comput. Chem. 41, 2562 (2020)
    "wb97m": (0.7514, 0.7761, 2.7099),  # the same
    "m06-l": (0.71422359, 0.5949376, 6.35314182),
    "pw6b95": (0.04142919, -0.31926054, 5.84655608),
}
_TABLES: dict[Method, dict[str, tuple[float, float, float]]] = {
    "d3bj": _D3_RATIONAL,
    "d3zero": _D3_ZERO,
    "d4": _D4,
}
_SPELLING = {
    "bp": "bp86", "camb3lyp": "cam-b3lyp", "lda": "slater", "m06l": "m06-l", "m062x": "m06-2x",
}  # fmt: skip


def damping_of(functional: str, method: Method) -> tuple[str, Damping]:
    """The functional's name as it stands in the tables, and its parameters.

    **Raises:** `ValueError` if there are none, naming those that there are.
    """
    key = functional.lower().replace(" ", "")
    key = _SPELLING.get(key, key)
    table = _TABLES[method]
    if key not in table:
        raise ValueError(_missing(functional, key, method))
    first, s8, second = table[key]
    return key, Damping(s8, first, second)


def _missing(functional: str, key: str, method: Method) -> str:
    others = [m for m, table in _TABLES.items() if key in table]
    if others:
        hint = f" There are some for {' and '.join(others)}."
    else:
        near = difflib.get_close_matches(key, _TABLES[method], n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return (
        f"no {method} parameters are known for {functional!r}.{hint} Known: "
        f"{', '.join(_TABLES[method])}."
    )
