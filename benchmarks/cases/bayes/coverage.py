"""How often 90 % intervals by `laplace` hold the truth: for an operator and a functional."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jax.flatten_util import ravel_pytree
from jax.scipy.stats import norm

import jaxsci as jsci
from benchmarks.runner.case import Case, Run
from jaxsci import dft, nn, operators

_HALF_WIDTH = float(norm.ppf(0.95))


def _fitting(f, x, count, steps):
    """The most probable parameters, and the most likely noise and prior there: compiled once."""
    loss = jsci.objective(
        {
            "data": lambda p, seen: jnp.ravel(f(p, seen[0]) - seen[1]) / seen[2],
            "prior": lambda p, root: root * ravel_pytree(p)[0],
        },
        {"data": float(count), "prior": 1.0},
    )

    def most_probable(params, y, noise, prior):
        """These minimise Σ |f - y|²/s² + P |θ|²."""
        batch = {"data": (x, y, jnp.full(count, noise)), "prior": jnp.sqrt(jnp.array([prior]))}
        optimizer = jsci.levenberg_marquardt()
        return jsci.fit(loss, params, batch, optimizer, steps=steps, progress=False).params

    def surprise(logs, given):
        noise, prior = jnp.exp(logs)
        params, y = given
        return -jsci.laplace(f, params, x, prior=prior, noise=noise, targets=y).log_evidence

    def most_likely(params, y, noise, prior):
        solver = optimistix.BFGS(rtol=1e-4, atol=1e-4)
        start = jnp.log(jnp.array([noise, prior]))
        found = optimistix.minimise(surprise, solver, start, (params, y))
        return map(float, jnp.exp(found.value))

    return most_probable, most_likely


def _repeated(
    f: Callable,
    start: Any,
    seen: tuple,
    held_out: tuple,
    *,
    noise: float,
    prior: float,
    steps: int,
    rounds: int,
    repetitions: int,
):
    """Shares of held-out truths within their intervals, and errors over deviations, per draw."""
    (x, y), (x_new, truth) = seen, held_out
    most_probable, most_likely = _fitting(f, x, len(y), steps)

    def one(key):
        measured = y + noise * jax.random.normal(key, y.shape)
        params, level, precision = start, noise, prior
        for _ in range(rounds):
            params = most_probable(params, measured, level, precision)
            level, precision = most_likely(params, measured, level, precision)
        params = most_probable(params, measured, level, precision)
        posterior = jsci.laplace(f, params, x, prior=precision, noise=level)
        deviation = jnp.sqrt(posterior.variance(x_new))
        error = jax.vmap(f, (None, 0))(params, x_new) - truth
        return jnp.mean(jnp.abs(error) < _HALF_WIDTH * deviation), jnp.sqrt(
            jnp.mean((error / deviation) ** 2)
        )

    return [tuple(map(float, one(k))) for k in jax.random.split(jax.random.key(1), repetitions)]


def _operator(size):
    """Burgers at viscosity 0.1 by a DeepONet."""
    n, repetitions = (100, 3) if size == "full" else (20, 1)
    a, u = operators.data.burgers(jax.random.key(0), n + 100, 16, viscosity=0.1, fine=128)
    a, u = a.astype(float), u.astype(float)
    model = operators.DeepONet(1, 1, sensors=16, dim=1, width=24, depth=1, key=jax.random.key(2))
    y = jnp.linspace(0, 1, 16, endpoint=False)[:, None]
    g, start = jsci.pure(model)
    start = jax.tree.map(lambda leaf: leaf.astype(float), start)
    # Its 1600 numbers determine noise and prior.
    settings = {"noise": 0.02, "prior": 30.0, "steps": 40 if size == "full" else 2, "rounds": 2}
    seen, held_out = (a[:n], u[:n]), (a[n:], u[n:])
    return _run(lambda p, x: g(p, x, y), start, seen, held_out, settings, repetitions)


def _functional(size):
    """H₂ from 0.5 to 1.5 Å at the density of PBE: exchange by a network, energies of B3LYP."""
    repetitions = 20 if size == "full" else 1
    distances = np.linspace(0.5, 1.5, 21 if size == "full" else 3)
    hydrogens = [dft.molecule(f"H 0 0 0; H 0 0 {d}", basis="sto-3g", grid=0) for d in distances]
    batch = dft.stack(hydrogens)
    densities = jsci.vmap(lambda m: dft.scf(m, dft.xc("pbe")).density_matrix)(batch)
    truth = jsci.vmap(lambda m, d: dft.fixed_density_energy(m, dft.xc("b3lyp"), density_matrix=d))(
        batch, densities
    )
    net, start = jsci.pure(nn.MLP(3, "scalar", width=8, depth=1, key=jax.random.key(3)))
    functional = dft.neural_exchange(lambda p, d: 1 + net(p, d)) + dft.xc("pbe_c")

    def f(p, x):
        return dft.fixed_density_energy(x[0], functional, p, density_matrix=x[1])

    seen, held_out = (
        (jax.tree.map(lambda leaf, part=part: leaf[part], (batch, densities)), truth[part])
        for part in (slice(0, None, 2), slice(1, None, 2))
    )
    # Eleven energies determine no noise: by evidence the coverage is 0.83.
    settings = {"noise": 1e-3, "prior": 1.0, "steps": 40 if size == "full" else 2, "rounds": 0}
    return _run(f, start, seen, held_out, settings, repetitions)


def _run(f, start, seen, held_out, settings, repetitions):
    def step():
        return _repeated(f, start, seen, held_out, repetitions=repetitions, **settings)

    def coverage(found):
        return float(np.mean([share for share, _ in found]))

    return Run(
        step,
        (),
        error=lambda found: abs(coverage(found) - 0.9),
        host=True,
        figures=lambda found: {
            "coverage": coverage(found),
            "standard error": float(np.std([s for s, _ in found]) / np.sqrt(len(found))),
            "rms error over deviation": float(np.mean([r for _, r in found])),
        },
        note=f"{len(seen[1])} seen, {len(held_out[1])} held out, noise {settings['noise']:g}, "
        f"prior precision {settings['prior']:g}, {settings['rounds']} rounds of both by evidence, "
        f"{repetitions} draws of the noise",
    )


def _case(make, name, title):
    return Case(
        f"bayes.coverage-{name}",
        "bayes",
        f"90 % intervals of {title}",
        make,
        "full",
        reference="the truth without noise",
        tolerance=0.05,
        error_name="coverage off 0.9",
    )


CASES = [
    _case(_operator, "operator", "an operator, held-out Burgers"),
    _case(_functional, "functional", "a neural functional, held-out distances of H₂"),
]
