"""How a density model is trained, and what its guesses are worth."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import TRAINED, solve, trained

# For a hybrid, the initial potential is that of a functional without exact exchange.
_START = {"b3lyp": "blyp"}
_AT_ONCE = 4  # molecules of a step through the SCF


def batches(parts: Sequence[jsci.dft.Auxiliary], known: Sequence, count: int):
    """Auxiliary bases, and these with coefficients, in `count` stacks by size, without any NaN."""
    kept = [i for i, c in enumerate(known) if np.all(np.isfinite(c))]
    kept.sort(key=lambda i: known[i].size)
    stacks = []
    for part in np.array_split(kept, count):
        aux = jsci.dft.stack_auxiliary([parts[i] for i in part])
        size = aux.charge.shape[1]
        coefficients = [jnp.pad(known[i], (0, size - known[i].size)) for i in part]
        stacks.append((aux, jnp.stack(coefficients)))
    return [parts[i] for i in kept], stacks


def without_orbitals(aux: jsci.dft.Auxiliary) -> jsci.dft.Auxiliary:
    """Without the integrals with orbitals, which training on densities does not need."""
    return eqx.tree_at(lambda a: a.repulsion, aux, jnp.zeros((aux.charge.size, 1)))


def on_densities(parts, known, key, steps, *, batch: int, groups: int = 1):
    """A model of densities, and its parameters after training, in groups of similar size."""
    examples, stacks = batches(parts, known, groups)
    model = jsci.dft.DensityModel(examples, key=key)
    # The largest molecules have all elements.
    f, params = jsci.pure(jsci.dft.set_means(model, *stacks[-1]))
    counts = [len(coefficients) for _, coefficients in stacks]
    drawn = [max(1, round(batch * n / sum(counts))) for n in counts]
    weights = {str(i): n / sum(drawn) for i, n in enumerate(drawn)}
    loss = jsci.objective(dict.fromkeys(weights, jsci.dft.coefficient_error(f)), weights=weights)

    def draw(key):
        keys = jax.random.split(key, len(stacks))
        return {str(i): some(*x) for i, x in enumerate(zip(keys, stacks, drawn, strict=True))}

    return f, trained(loss, params, draw, key, steps)


def through_the_field(f, params, molecules, key, steps, *, terms: int):
    """Train on the orbital gradients of the first SCF steps, which the SCF has to bring to zero."""
    aux = jsci.dft.stack_auxiliary([jsci.dft.auxiliary(m) for m in molecules])
    data = jsci.dft.stack(molecules), aux

    def draw(key):
        return {"field": some(key, data, _AT_ONCE)}

    error = jsci.dft.guess_error(f, jsci.dft.xc(TRAINED[1]), steps=terms)
    loss = jsci.objective({"field": error}, batch_size=1)
    return trained(loss, params, draw, key, steps, 3e-4)


def on_matrices(model, stacks, key, steps, batch: int, *behind):
    """The model after training on stacks of molecules, Kohn-Sham matrices and those to start from.

    Both errors are of one prediction, which is most of the work.
    """
    f, params = jsci.pure(model)
    errors = jsci.dft.hamiltonian_error(_given), jsci.dft.orbital_error(_given)

    def error(params, sample):
        m, _, base = sample
        matrix = f(params, m, base)
        return jnp.concatenate([e(matrix, sample) for e in errors])

    counts = {name: len(known) for name, (_, known, _) in stacks.items()}
    drawn = {name: max(1, round(batch * n / sum(counts.values()))) for name, n in counts.items()}
    weights = {name: n / sum(drawn.values()) for name, n in drawn.items()}
    loss = jsci.objective(dict.fromkeys(stacks, error), weights=weights)

    def draw(key):
        keys = jax.random.split(key, len(stacks))
        return {n: some(k, stacks[n], drawn[n]) for k, n in zip(keys, stacks, strict=True)}

    trained_params = trained(loss, params, draw, key, steps, 1e-2, *behind)
    return eqx.combine(trained_params, model)


def _given(matrix, *_):
    return matrix


def some(key, batch, count: int):
    """`count` items of a batch, or all, each at most once."""
    size = jax.tree.leaves(batch)[0].shape[0]
    chosen = jax.random.choice(key, size, (min(count, size),), replace=False)
    return jax.tree.map(lambda x: x[chosen], batch)


def steps_from(m, aux, densities, functional: str) -> list[int]:
    """SCF steps from "minao" and from each of some densities."""
    xc, start = jsci.dft.xc(functional), jsci.dft.xc(_START.get(functional, functional))
    guesses = m.guess, *(_guess(m, aux, c, start) for c in densities)
    solved = [solve(m, xc, g) for g in guesses]
    assert all(bool(converged) for _, converged, _ in solved)
    return [int(steps) for steps, *_ in solved]


@eqx.filter_jit
def _guess(m, aux, coefficients, functional):
    return jsci.dft.density_guess(m, aux, coefficients, functional=functional)
