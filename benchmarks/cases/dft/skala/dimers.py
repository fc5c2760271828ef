"""A small Skala beside a semilocal network, both learned from the same well depths of dimers."""

import dataclasses
import time
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import jaxsci as jsci
from benchmarks.cases.dft.skala._networks import SMALL, random
from benchmarks.runner.case import Case, Run, Size
from jaxsci.dft._basis.units import HARTREE_IN_KCAL_PER_MOL
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._scf.kohn_sham import molecular_density
from jaxsci.dft._xc.density import MolecularDensity

BASIS, GRID, SHAPES = "def2-svp", 0, 3
PRIOR, STEPS = 1.6e-2, 40  # as those of dft.dimers
PBE = jsci.dft.xc("pbe")
# One after another until one converges.
SOLVERS = jsci.dft.DIIS(damping=0.2), jsci.dft.Newton()
Dimers = list[jsci.dft.data.Dimer]


class Correction(NamedTuple):
    """PBE and a network, with parameters that add nearly nothing."""

    functional: jsci.dft.Functional
    params: Any


def nonlocal_correction() -> Correction:
    """PBE and the difference between Skala and local exchange, which it starts from."""
    f, params = random(**SMALL)
    params["output"][-1] = jax.tree.map(lambda x: 0.05 * x, params["output"][-1])
    return Correction(PBE + f + -1.0 * jsci.dft.xc("slater"), params)


def semilocal_correction() -> Correction:
    """The network of dft.dimers."""
    mlp = jsci.nn.MLP(3, "scalar", width=8, depth=2, key=jax.random.key(0), dtype=jnp.float64)
    f, params = jsci.pure(eqx.tree_at(lambda m: m.layers[-1], mlp, replace_fn=_small))
    return Correction(jsci.dft.neural_functional(f, base=PBE), params)


def _small(layer):
    return jax.tree.map(lambda x: 0.05 * x if eqx.is_inexact_array(x) else x, layer)


def halves(size: Size) -> tuple[Dimers, Dimers]:
    """Of the dimers without a 3d metal, those to learn from and those held out."""
    main = [d for d in jsci.dft.data.dimers() if not d.has_3d_metal]
    main = main[:8] if size == "smoke" else main
    order = np.random.default_rng(0).permutation(len(main))
    parts = order[: len(order) // 2], order[len(order) // 2 :]
    learned, held_out = ([main[i] for i in part] for part in parts)
    return learned, held_out


def species(dimers: Dimers) -> dict[str, Any]:
    """These dimers and their atoms, in a few shapes."""
    spins = jsci.dft.data.atom_spins()
    atoms = {e: ([(e, (0.0, 0.0, 0.0))], spins[e]) for d in dimers for e in d.elements}
    geometries = atoms | {d.name: (d.atoms, d.spin) for d in dimers}
    made = [jsci.dft.molecule(a, BASIS, spin=s, grid=GRID) for a, s in geometries.values()]
    return dict(zip(geometries, jsci.dft.pad_to_buckets(made, SHAPES), strict=True))


@eqx.filter_jit
def _solve(m, functional, params, solver):
    r = jsci.dft.scf(m, functional, params, max_steps=150, solver=solver, throw=False)
    return jnp.where(r.converged, r.energy, jnp.nan), r.density_matrix


def solve(molecules, functional, params=None) -> dict[str, tuple[float, Any]]:
    """Energy, NaN if no solver converges, and density matrix by name."""
    found = {}
    for name, m in molecules.items():
        for solver in SOLVERS:
            energy, p = _solve(m, functional, params, solver)
            if jnp.isfinite(energy):
                break
        found[name] = float(energy), p
    return found


def errors(solved, dimers: Dimers) -> np.ndarray:
    """Errors of the well depths in kcal/mol."""
    depths = [sum(solved[e][0] for e in d.elements) - solved[d.name][0] for d in dimers]
    return HARTREE_IN_KCAL_PER_MOL * (np.array(depths) - [d.well_depth for d in dimers])


@eqx.filter_jit
def _seen(m, p) -> MolecularDensity:
    ops = operators(m, jsci.dft.xc("r2scan"))
    density = molecular_density(ops, p.reshape(-1, m.size, m.size), "mgga")
    return dataclasses.replace(
        density,
        features=dataclasses.replace(density.features, polarised=True),
        orbitals=jnp.zeros((0, 0)),
        density_matrix=jnp.zeros((2, 0, 0)),
    )


def difference(molecules, solved, dimer: jsci.dft.data.Dimer) -> MolecularDensity:
    """A dimer's atoms and, with negative weights, the dimer, as if they were one molecule.

    In NumPy, which compiles nothing for each shape, and without points that do not count.
    """
    names = *dimer.elements, dimer.name
    parts = [jax.tree.map(np.asarray, _seen(molecules[n], solved[n][1])) for n in names]
    before = np.cumsum([0, *(len(x.coordinates) for x in parts[:-1])])
    parts = [
        dataclasses.replace(x, weights=sign * x.weights, owner=x.owner + n)
        for x, sign, n in zip(parts, (1.0, 1.0, -1.0), before, strict=True)
    ]
    joined = jax.tree.map(lambda *x: np.concatenate(x), *parts)
    kept, size = joined.atomic_weights != 0, len(joined.owner)
    return jax.tree.map(lambda a: a[kept] if len(a) == size else a, joined)


def padded(samples: list[MolecularDensity]) -> MolecularDensity:
    """A stack of these, filled up with points of weight zero and absent atoms."""
    points, atoms = (max(len(getattr(x, n)) for x in samples) for n in ("owner", "charges"))

    def fill(x):
        sizes = {len(x.owner): points, len(x.charges): atoms}

        def longer(a):
            extra = sizes.get(len(a), len(a)) - len(a)
            return np.pad(a, [(0, extra)] + [(0, 0)] * (a.ndim - 1))

        return jax.tree.map(longer, x)

    return jax.tree.map(lambda *x: jnp.asarray(np.stack(x)), *map(fill, samples))


def xc_energy(functional, params, density: MolecularDensity):
    per_volume = jax.vmap(lambda f: functional(params, f))(density.features)
    return jnp.sum(density.weights * per_volume) + functional.nonlocal_energy(params, density)


def samples(molecules, solved, dimers: Dimers) -> dict[str, Any]:
    """Differences of densities, and errors of PBE without its exchange and correlation."""
    densities = [difference(molecules, solved, d) for d in dimers]
    of_pbe = eqx.filter_jit(lambda x: HARTREE_IN_KCAL_PER_MOL * xc_energy(PBE, None, x))
    order = np.argsort([len(x.owner) for x in densities])
    data = {}
    for i, part in enumerate(np.array_split(order, min(SHAPES, len(order)))):
        stacked = padded([densities[j] for j in part])
        data[f"dimers {i}"] = (
            stacked,
            errors(solved, [dimers[j] for j in part]) - jax.lax.map(of_pbe, stacked),
        )
    return data


def error_of(functional):
    """Error of a well depth in kcal/mol, at the densities of PBE."""

    def error(params, sample):
        density, rest = sample
        return rest + HARTREE_IN_KCAL_PER_MOL * xc_energy(functional, params, density)

    return error


def train(correction: Correction, data: dict[str, Any], steps: int):
    """Least squares at the densities of PBE, with a prior around the initial parameters."""
    start, _ = ravel_pytree(correction.params)

    def prior(p, one):
        return one * (ravel_pytree(p)[0] - start)

    count = sum(len(rest) for _, rest in data.values())
    weights = {name: len(rest) / count for name, (_, rest) in data.items()}
    terms = dict.fromkeys(data, error_of(correction.functional)) | {"prior": prior}
    loss = jsci.objective(terms, weights | {"prior": PRIOR * start.size})
    everything = data | {"prior": jnp.ones((1, 1))}
    optimizer = jsci.levenberg_marquardt()
    fitted = jsci.fit(loss, correction.params, everything, optimizer, steps=steps, progress=False)
    return fitted.params


def at_fixed_densities(functional, params, data) -> np.ndarray:
    """Errors in kcal/mol at the densities of PBE."""
    f = eqx.filter_jit(lambda p, part: jax.lax.map(lambda x: error_of(functional)(p, x), part))
    return np.concatenate([f(params, part) for part in data.values()])


def make_dimers(size: Size) -> Run:
    learned, held_out = halves(size)
    steps = 3 if size == "smoke" else STEPS
    molecules = species(learned + held_out)
    own = species(held_out)
    corrections = {"semilocal": semilocal_correction(), "Skala": nonlocal_correction()}

    def step():
        pbe = solve(molecules, PBE)
        known = [d for d in learned if np.isfinite(errors(pbe, [d])).all()]
        others = [d for d in held_out if np.isfinite(errors(pbe, [d])).all()]
        data, test = (samples(molecules, pbe, part) for part in (known, others))
        rows = {"PBE": (0.0, np.abs(errors(pbe, known)), np.abs(errors(pbe, others)), pbe)}
        for name, correction in corrections.items():
            clock = time.process_time()
            params = train(correction, data, steps)
            spent = time.process_time() - clock
            inside, outside = (
                np.abs(at_fixed_densities(correction.functional, params, part))
                for part in (data, test)
            )
            rows[name] = spent, inside, outside, solve(own, correction.functional, params)
        return rows

    def figures(rows):
        return {
            f"{name}: MAE (learned from, held out, held out self-consistent, unconverged), CPU-s": (
                f"{np.mean(inside):.2f}, {np.mean(outside):.2f}, "
                f"{np.nanmean(np.abs(errors(solved, held_out))):.2f}, "
                f"{np.isnan(errors(solved, held_out)).sum()}; {spent:.0f}"
            )
            for name, (spent, inside, outside, solved) in rows.items()
        }

    return Run(
        step,
        (),
        error=lambda rows: float(np.nanmean(np.abs(errors(rows["Skala"][3], held_out)))),
        note=f"{len(learned)} dimers without a 3d metal learned from at PBE's densities, "
        f"{len(held_out)} held out; {BASIS}, grid {GRID}; networks on top of PBE of "
        + ", ".join(f"{ravel_pytree(c.params)[0].size} ({n})" for n, c in corrections.items())
        + " parameters; kcal/mol, D0 + ω/2",
        figures=figures,
        host=True,
    )


CASES = [
    Case(
        "dft.skala_dimers",
        "dft",
        "Well depths of dimers by a small Skala learned from others",
        make_dimers,
        "full",
        reference="experiment",
        tolerance=8.0,
        error_name="mean |error| in kcal/mol",
    ),
]
