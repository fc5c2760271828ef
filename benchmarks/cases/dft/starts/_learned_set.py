"""Densities to learn from, computed once and kept on disk."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

import jaxsci as jsci
from benchmarks.cases.dft._problems import solve
from benchmarks.cases.dft.starts._organic import LARGEST_LEARNED, Structure, g2
from benchmarks.cases.dft.starts._training import without_orbitals

_TOGETHER = 12  # molecules of one shape while their densities are computed
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
    settings = [functional, basis, grid, _AUXILIARY]
    paths = [_path(s, settings) for s in structures]
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    _compute([structures[i] for i in missing], [paths[i] for i in missing], settings)
    return [jnp.asarray(np.load(path, allow_pickle=False)) for path in paths]


def _path(structure: Structure, settings) -> Path:
    of = [settings, structure.name, structure.symbols, structure.positions.round(9).tolist()]
    base = os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache"
    name = hashlib.sha256(json.dumps(of).encode()).hexdigest()[:16]
    return Path(base) / "jaxsci" / "densities" / f"{name}.npy"


def _compute(structures, paths, settings) -> None:
    if not structures:
        return
    functional, basis, grid, auxiliary_basis = settings
    xc = jsci.dft.xc(functional)
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    order = np.argsort([len(s.symbols) + 2 * s.heavy for s in structures], kind="stable")
    with tqdm(total=len(order), desc="densities", delay=2.0) as bar:
        for part in np.array_split(order, -(-len(order) // _TOGETHER)):
            made = [build(structures[i].atoms, basis, grid) for i in part]
            padded = jsci.dft.pad_to_buckets(made, 1)
            for i, m, p in zip(part, made, padded, strict=True):
                _, converged, density = solve(p, xc, p.guess)
                density = density[: m.size, : m.size]
                fitted = jsci.dft.fit_density(jsci.dft.auxiliary(m, auxiliary_basis), density)
                _keep(paths[i], np.asarray(jnp.where(converged, fitted, jnp.nan)))
                bar.update()


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
