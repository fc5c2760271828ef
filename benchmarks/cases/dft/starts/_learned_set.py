"""Densities and Kohn-Sham matrices to learn from, computed once and kept on disk."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

import jaxsci as jsci
from benchmarks.cases.dft._problems import solve
from benchmarks.cases.dft.starts._organic import LARGEST_LEARNED, Structure, g2
from benchmarks.cases.dft.starts._training import without_orbitals

_TOGETHER = 12  # molecules of one shape while they are computed
_AUXILIARY = "def2-universal-jfit"


def learned(per_molecule: int, by: float, seed: int = 0) -> list[Structure]:
    """Distorted molecules of at most four heavy atoms."""
    rng = np.random.default_rng(seed)
    small = [s for s in g2() if s.heavy <= LARGEST_LEARNED]
    return [s.distorted(rng, by) for s in small for _ in range(per_molecule)]


def densities(structures: Sequence[Structure], functional: str, basis: str, grid: int):
    """Coefficients of `fit_density` of each, NaN without convergence; read from the disk if there.

    The name of a file is a digest of all that its density depends on. Files are written as soon as
    they are known, so that an interrupted run goes on where it stopped.
    """
    xc = jsci.dft.xc(functional)

    def fitted(m, padded):
        _, converged, density = solve(padded, xc, padded.guess)
        density = density[: m.size, : m.size]
        coefficients = jsci.dft.fit_density(jsci.dft.auxiliary(m, _AUXILIARY), density)
        return jnp.where(converged, coefficients, jnp.nan)

    return _computed(structures, [functional, basis, grid, _AUXILIARY], fitted)


def matrices(structures: Sequence[Structure], functional: str, basis: str, grid: int):
    """The Kohn-Sham matrix of the atoms' densities and the self-consistent one, (2, nao, nao) each.

    On one grid. NaN without convergence; kept on the disk like `densities`.
    """
    xc = jsci.dft.xc(functional)

    def both(m, padded):
        first_and_last = _first_and_last(on_one_grid(padded), xc)
        return first_and_last[:, : m.size, : m.size]

    return _computed(structures, [functional, basis, grid, "matrices"], both)


@eqx.filter_jit
def _first_and_last(m, xc):
    solved = jsci.dft.scf(m, xc, throw=False)
    last = jnp.where(solved.converged, jsci.dft.hamiltonian(m, solved), jnp.nan)
    return jnp.stack([of_atoms(m, xc), last])


def of_atoms(m, xc):
    """The Kohn-Sham matrix of the atoms' densities."""
    return jsci.dft.fixed_density_hamiltonian(m, xc, density_matrix=m.guess)


def on_one_grid(m):
    """With a coarse grid beside it, most steps are cheap and count as much."""
    return dataclasses.replace(m, grid=dataclasses.replace(m.grid, coarse=None))


def _path(structure: Structure, settings) -> Path:
    of = [settings, structure.name, structure.symbols, structure.positions.round(9).tolist()]
    base = os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache"
    name = hashlib.sha256(json.dumps(of).encode()).hexdigest()[:16]
    return Path(base) / "jaxsci" / "densities" / f"{name}.npy"


def _computed(structures, settings, of: Callable):
    """`of(molecule, padded)` of each, from the disk where it is there."""
    paths = [_path(s, settings) for s in structures]
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    if missing:
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        missing.sort(key=lambda i: len(structures[i].symbols) + 2 * structures[i].heavy)
        _, basis, grid, _ = settings
        with tqdm(total=len(missing), desc="molecules to learn", delay=2.0) as bar:
            for part in np.array_split(missing, -(-len(missing) // _TOGETHER)):
                made = [build(structures[i].atoms, basis, grid) for i in part]
                padded = jsci.dft.pad_to_buckets(made, 1)
                for i, m, p in zip(part, made, padded, strict=True):
                    _keep(paths[i], np.asarray(of(m, p)))
                    bar.update()
    return [jnp.asarray(np.load(path, allow_pickle=False)) for path in paths]


def _keep(path: Path, coefficients: np.ndarray) -> None:
    """Under its name only once it is whole."""
    partial = path.with_name(f"{path.stem}.{os.getpid()}.npy")
    np.save(partial, coefficients)
    partial.rename(path)


def build(atoms, basis: str, grid: int):
    """With density fitting, which changes no step."""
    return jsci.dft.molecule(atoms, basis, grid=grid, density_fit=True)


def auxiliary(structure: Structure) -> jsci.dft.Auxiliary:
    """As training on densities needs it."""
    small = jsci.dft.molecule(structure.atoms, "sto-3g", grid=0)
    return without_orbitals(jsci.dft.auxiliary(small, _AUXILIARY))
