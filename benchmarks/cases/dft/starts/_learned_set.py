"""Densities to learn from, computed once and kept on disk."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import solve
from benchmarks.cases.dft.starts._organic import LARGEST_LEARNED, Structure, g2

_TOGETHER = 12  # molecules of one shape while their densities are computed
_AUXILIARY = "def2-universal-jfit"


def learned(per_molecule: int, by: float, seed: int = 0) -> list[Structure]:
    """Distorted molecules of at most four heavy atoms."""
    rng = np.random.default_rng(seed)
    small = [s for s in g2() if s.heavy <= LARGEST_LEARNED]
    return [s.distorted(rng, by) for s in small for _ in range(per_molecule)]


def densities(structures: Sequence[Structure], functional: str, basis: str, grid: int):
    """Coefficients of `fit_density` of each, NaN without convergence; read from the disk if there.

    The name of the file is a digest of all that they depend on.
    """
    settings = [functional, basis, grid, _AUXILIARY]
    every = [[s.name, s.symbols, s.positions.round(9).tolist()] for s in structures]
    digest = hashlib.sha256(json.dumps([settings, every]).encode()).hexdigest()[:16]
    path = _folder() / f"{digest}.npz"
    if not path.exists():
        found = _computed(structures, functional, basis, grid)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{digest}.{os.getpid()}.npz")
        np.savez(partial, *found)
        partial.rename(path)
    with np.load(path, allow_pickle=False) as kept:
        return [jnp.asarray(kept[f"arr_{i}"]) for i in range(len(structures))]


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache"
    return Path(base) / "jaxsci" / "densities"


def _computed(structures, functional, basis, grid) -> list[np.ndarray]:
    xc = jsci.dft.xc(functional)
    found: list[np.ndarray] = [np.empty(0)] * len(structures)
    order = np.argsort([len(s.symbols) + 2 * s.heavy for s in structures], kind="stable")
    for part in np.array_split(order, -(-len(order) // _TOGETHER)):
        made = [build(structures[i].atoms, basis, grid) for i in part]
        padded = jsci.dft.pad_to_buckets(made, 1)
        for i, m, p in zip(part, made, padded, strict=True):
            _, converged, density = solve(p, xc, p.guess)
            density = density[: m.size, : m.size]
            fitted = jsci.dft.fit_density(jsci.dft.auxiliary(m, _AUXILIARY), density)
            found[i] = np.asarray(jnp.where(converged, fitted, jnp.nan))
    return found


def build(atoms, basis: str, grid: int):
    """With density fitting, which changes no step."""
    return jsci.dft.molecule(atoms, basis, grid=grid, density_fit=True)


def auxiliary(structure: Structure):
    """Without the integrals with orbitals, which training on densities does not need."""
    aux = jsci.dft.auxiliary(jsci.dft.molecule(structure.atoms, "sto-3g", grid=0), _AUXILIARY)
    return eqx.tree_at(lambda a: a.repulsion, aux, jnp.zeros((aux.charge.size, 1)))


def batches(structures: Sequence[Structure], known: Sequence, count: int):
    """Auxiliary bases, and these with coefficients by size, in `count` stacks, without any NaN."""
    kept = [i for i, c in enumerate(known) if np.all(np.isfinite(c))]
    kept.sort(key=lambda i: known[i].size)
    alone, stacks = [], []
    for part in np.array_split(kept, count):
        own = [auxiliary(structures[i]) for i in part]
        aux = jsci.dft.stack_auxiliary(own)
        size = aux.charge.shape[1]
        coefficients = [jnp.pad(known[i], (0, size - known[i].size)) for i in part]
        alone += own
        stacks.append((aux, jnp.stack(coefficients)))
    return alone, stacks
