"""What several cases of `atoms` share: random alloys with energies of ASE's EMT, rock salts."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci

LATTICE = {"Cu": 3.61, "Ag": 4.09, "Au": 4.08}  # Å
SINGLE = jnp.float32
GPA = 160.21766208  # per eV/Å³
CORNERS = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2

OXIDES_AND_HALIDES = {
    ("Mg", "O"): 4.21, ("Na", "Cl"): 5.64, ("Li", "F"): 4.03, ("Ni", "O"): 4.18,
    ("K", "Br"): 6.6, ("Ca", "O"): 4.81, ("Mn", "O"): 4.44, ("Fe", "O"): 4.33,
}  # fmt: skip


def alloy(rng: np.random.Generator, repeat=(2, 1, 1), size=1.0) -> jsci.atoms.Atoms:
    """Face-centred cells of random composition, strained by 2 % and rattled by 0.1 Å, at size 1."""
    symbols = rng.choice(list(LATTICE), 4 * int(np.prod(repeat)), p=rng.dirichlet(np.ones(3)))
    a = np.mean([LATTICE[s] for s in symbols])
    cells = np.stack(np.meshgrid(*map(np.arange, repeat), indexing="ij"), -1).reshape(-1, 3)
    fraction = (CORNERS[None] + cells[:, None]).reshape(-1, 3) / np.array(repeat)
    cell = a * np.diag(repeat) @ (np.eye(3) + 0.02 * size * rng.standard_normal((3, 3)))
    places = fraction @ cell + 0.1 * size * rng.standard_normal(fraction.shape)
    return jsci.atoms.Atoms(places, [str(s) for s in symbols], cell)


@functools.cache
def emt_frames(count: int, seed: int) -> list[jsci.atoms.Frame]:
    """Alloys with energies, forces and stresses of ASE's effective medium theory."""
    from ase.calculators.emt import EMT

    rng = np.random.default_rng(seed)
    return jsci.atoms.label([alloy(rng) for _ in range(count)], EMT())


@functools.cache
def varied_frames(count: int, seed: int) -> list[jsci.atoms.Frame]:
    """Alloys of four atoms, most of them little deformed: by 0.1 to 3 times that of `alloy`."""
    from ase.calculators.emt import EMT

    rng = np.random.default_rng(seed)
    sizes = np.clip(rng.lognormal(np.log(0.5), 0.8, count), 0.1, 3.0)
    return jsci.atoms.label([alloy(rng, (1, 1, 1), size) for size in sizes], EMT())


def in_single(tree):
    """The same with every array of floating point numbers in float32."""
    halved = lambda x: x.astype(SINGLE) if jnp.issubdtype(x.dtype, jnp.floating) else x  # noqa: E731
    return jax.tree.map(halved, tree)


def rock_salt(rng, symbols, a, repeat):
    """Rattled by 0.05 Å, in single precision."""
    base = np.concatenate([CORNERS, CORNERS + [0.5, 0, 0]])
    cells = np.stack(np.meshgrid(*map(np.arange, repeat), indexing="ij"), -1).reshape(-1, 3)
    positions = a * (base[None] + cells[:, None]).reshape(-1, 3)
    positions = positions + 0.05 * rng.normal(size=positions.shape)
    numbers = np.repeat(symbols, 4).tolist() * len(cells)
    cell = a * np.diag(repeat).astype(np.float32)
    return jsci.atoms.Atoms(positions.astype(np.float32), numbers, cell)
