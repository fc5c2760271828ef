"""chgnet on PyTorch, in an interpreter of its own: properties and relaxations of crystals."""

import numpy as np
from chgnet.model import CHGNet, StructOptimizer  # pyright: ignore
from pymatgen.core import Lattice, Structure  # pyright: ignore

from benchmarks.remote.serve import serve


def _structures(arrays):
    ends = np.cumsum(arrays["sizes"])[:-1]
    parts = (np.split(arrays[name], ends) for name in ("numbers", "positions"))
    return [
        Structure(Lattice(cell), numbers, positions, coords_are_cartesian=True)
        for cell, numbers, positions in zip(arrays["cells"], *parts, strict=True)
    ]


def _properties(model, structures, _):
    """Of all crystals at once, from graphs that are there."""
    graphs = [model.graph_converter(structure) for structure in structures]

    def properties():
        """Energies per atom (eV), forces (eV/Å), stresses (GPa) and moments (μ_B), as one row."""
        found = model.predict_graph(graphs, batch_size=len(graphs))
        found = found if isinstance(found, list) else [found]
        return np.concatenate([np.ravel(one[key]) for key in "efsm" for one in found])

    return properties


def _relaxations(model, structures, arrays):
    """Of one crystal after another with its cell, by the optimiser that chgnet takes (FIRE)."""
    relaxer = StructOptimizer(model=model)

    def energies():
        """Energies per atom (eV) at the end, and steps."""
        rows = []
        for structure in structures:
            path = relaxer.relax(structure, fmax=float(arrays["fmax"]), steps=500, verbose=False)
            energies = path["trajectory"].energies
            rows.append([energies[-1] / len(structure), len(energies)])
        return np.array(rows)

    return energies


def build(case, arrays):
    structures = _structures(arrays)
    model = CHGNet.load(use_device="cpu", verbose=False)
    return {"properties": _properties, "relaxations": _relaxations}[case](model, structures, arrays)


if __name__ == "__main__":
    serve(build)
