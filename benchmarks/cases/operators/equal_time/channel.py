"""A layer between plates: bases that suit its axes, beside padding, in equal CPU time.

Temperature is carried and mixed by given convection cells, as in Rayleigh-Bénard convection:

    θ_t + u·∇θ = κ Δθ + w,   u = (∂_z ψ, -∂_x ψ) = (v, w),   θ = 0 at the plates and at t = 0

An FNO maps the stream function ψ to θ at the end. x is periodic; z goes from plate to plate.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases.operators._problems import SINGLE, ridge_error
from benchmarks.cases.operators.equal_time._learning import (
    SEEDS,
    Candidate,
    Samples,
    learn_all,
    shown,
)
from benchmarks.runner.case import Case, Run
from jaxsci.operators import FNO, spectral_derivative

SECONDS = {"smoke": 0.3, "quick": 2.0, "full": 10.0}  # of CPU time, a network
TRAIN, TEST = {"smoke": 20, "quick": 500, "full": 500}, 100
N, TIME, STEPS, DIFFUSIVITY = 32, 0.5, 100, 0.02  # points of each axis, steps of Runge and Kutta
WAVES, SPEED = 3, 1.0  # the shortest cells, and the root mean square of the velocity
POINTS = ("left", "cells")

along = partial(spectral_derivative, axis=0)
across = partial(spectral_derivative, axis=1, basis="sine", points="cells")


def stream(key):
    """Random cells that decay with their wave numbers, `(x, z, 1)`."""
    x, z = np.arange(N) / N, (np.arange(N) + 0.5) / N
    kx, kz = np.meshgrid(*[np.arange(1, WAVES + 1)] * 2, indexing="ij")
    of_key, of_phase = jax.random.split(key)
    size = jax.random.normal(of_key, kx.shape) / (4 * kx**2 + kz**2)
    phase = jax.random.uniform(of_phase, (*kx.shape, 1), maxval=2 * np.pi)
    waves = jnp.cos(2 * np.pi * kx[..., None] * x + phase)
    plates = np.sin(np.pi * kz[..., None] * z)
    return jnp.einsum("ab,abx,abz->xz", size, waves, plates)[..., None]


def temperature(psi):
    """θ at the end, `(x, z, 1)`, from ψ."""
    v, w = across(psi), -along(psi)

    def slope(t):
        mixed = along(t, order=2) + across(t, order=2)
        return DIFFUSIVITY * mixed + w - v * along(t) - w * across(t)

    def step(t, _):
        h = TIME / STEPS
        a = slope(t)
        b = slope(t + h / 2 * a)
        c = slope(t + h / 2 * b)
        return t + h / 6 * (a + 2 * b + 2 * c + slope(t + h * c)), None

    return jax.lax.scan(step, jnp.zeros_like(psi), length=STEPS)[0]


def samples(size):
    """Also moved along the layer, to four places."""
    n = TRAIN[size]
    psi = jax.vmap(stream)(jax.random.split(jax.random.key(0), n + TEST))
    velocity = jax.vmap(lambda s: along(s) ** 2 + across(s) ** 2)(psi)
    psi = SPEED * psi / jnp.sqrt(jnp.mean(velocity))
    theta = jax.jit(partial(jax.lax.map, temperature, batch_size=100))(psi)
    a, u = ((v / jnp.std(v)).astype(SINGLE) for v in (psi, theta))

    def moved(v):
        return jnp.concatenate([jnp.roll(v[:n], shift, axis=1) for shift in range(0, N, N // 4)])

    return Samples(moved(a), moved(u), a[n:], u[n:], jnp.ones((1, 1, 1), SINGLE))


def network(**options):
    make = partial(FNO, 1, 1, width=12, depth=4, points=POINTS, **options)
    return Candidate(make, rate=4e-3, batch=10)


NETWORKS = {  # of as many functions: across, a Fourier axis has two a mode, and others have one
    "Fourier x sine": network(basis=("fourier", "sine"), modes=(6, 12)),
    "Fourier x cosine": network(basis=("fourier", "cosine"), modes=(6, 12)),
    "Fourier, padded across": network(padding=(0.0, 0.25), modes=(6, 6)),
    "Fourier, padded along both": network(padding=0.25, modes=(6, 6)),
}


def channel(size):
    """Three seeds of each way."""
    drawn, seconds = samples(size), SECONDS[size]
    linear = ridge_error(*drawn[:4])
    return Run(
        partial(learn_all, {n: (c, drawn) for n, c in NETWORKS.items()}, seconds),
        (),
        error=lambda learned: max(learned["Fourier x sine"][0]),
        host=True,
        note=f"{TRAIN[size]} samples of {N}x{N} points, at 4 places; {seconds:g} CPU seconds a "
        f"network, {SEEDS} seeds",
        figures=lambda learned: shown(learned) | {"best linear map": f"{linear:.1e}"},
    )


CASES = [
    Case("operators.channel", "operators", "A layer between plates: bases or padding", channel,
         "full", reference="held-out samples", tolerance=0.3, error_name="worst relative L2"),
]  # fmt: skip
