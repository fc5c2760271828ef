"""What several cases of `atoms` share: random alloys with energies of ASE's EMT."""

import functools

import numpy as np

import jaxsci as jsci

LATTICE = {"Cu": 3.61, "Ag": 4.09, "Au": 4.08}  # Å
GPA = 160.21766208  # per eV/Å³
CORNERS = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2


def alloy(rng: np.random.Generator, repeat=(2, 1, 1)) -> jsci.atoms.Atoms:
    """Face-centred cells of random composition, strained by 2 % and rattled by 0.1 Å."""
    symbols = rng.choice(list(LATTICE), 4 * int(np.prod(repeat)), p=rng.dirichlet(np.ones(3)))
    a = np.mean([LATTICE[s] for s in symbols])
    cells = np.stack(np.meshgrid(*map(np.arange, repeat), indexing="ij"), -1).reshape(-1, 3)
    fraction = (CORNERS[None] + cells[:, None]).reshape(-1, 3) / np.array(repeat)
    cell = a * np.diag(repeat) @ (np.eye(3) + 0.02 * rng.standard_normal((3, 3)))
    places = fraction @ cell + 0.1 * rng.standard_normal(fraction.shape)
    return jsci.atoms.Atoms(places, [str(s) for s in symbols], cell)


@functools.cache
def emt_frames(count: int, seed: int) -> list[jsci.atoms.Frame]:
    """Alloys with energies, forces and stresses of ASE's effective medium theory."""
    from ase.calculators.emt import EMT

    rng = np.random.default_rng(seed)
    return jsci.atoms.label([alloy(rng) for _ in range(count)], EMT())
