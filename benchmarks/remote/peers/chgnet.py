"""chgnet on PyTorch, in an interpreter of its own: properties of crystals."""

import numpy as np
from chgnet.model import CHGNet  # pyright: ignore
from pymatgen.core import Lattice, Structure  # pyright: ignore

from benchmarks.remote.serve import serve


def _structures(arrays):
    ends = np.cumsum(arrays["sizes"])[:-1]
    parts = (np.split(arrays[name], ends) for name in ("numbers", "positions"))
    return [
        Structure(Lattice(cell), numbers, positions, coords_are_cartesian=True)
        for cell, numbers, positions in zip(arrays["cells"], *parts, strict=True)
    ]


def build(_, arrays):
    """`properties` of all crystals at once, from graphs that are there."""
    structures = _structures(arrays)
    model = CHGNet.load(use_device="cpu", verbose=False)
    graphs = [model.graph_converter(structure) for structure in structures]

    def properties():
        """Energies per atom (eV), forces (eV/Å), stresses (GPa) and moments (μ_B), as one row."""
        found = model.predict_graph(graphs, batch_size=len(graphs))
        found = found if isinstance(found, list) else [found]
        return np.concatenate([np.ravel(one[key]) for key in "efsm" for one in found])

    return properties


if __name__ == "__main__":
    serve(build)
