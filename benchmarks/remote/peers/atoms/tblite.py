"""tblite's GFN2-xTB, in an interpreter of its own: energies and forces of molecules."""

import numpy as np
from tblite.interface import Calculator  # pyright: ignore

from benchmarks.remote.serve import serve

BOHR, HARTREE = 0.529177210544, 27.211386245981  # Å, eV


def _labels(arrays):
    """Of one molecule after another: its energy (eV), then its forces (eV/Å), all in one row."""
    ends = np.cumsum(arrays["sizes"])[:-1]
    molecules = [np.split(arrays[name], ends) for name in ("numbers", "positions")]

    def labels():
        rows = []
        for numbers, positions in zip(*molecules, strict=True):
            calculator = Calculator("GFN2-xTB", numbers, positions / BOHR)
            calculator.set("verbosity", 0)
            found = calculator.singlepoint()
            rows.append([HARTREE * found["energy"]])
            rows.append(-HARTREE / BOHR * np.ravel(found["gradient"]))
        return np.concatenate(rows)

    return labels


def build(case, arrays):
    return {"labels": _labels}[case](arrays)


if __name__ == "__main__":
    serve(build)
