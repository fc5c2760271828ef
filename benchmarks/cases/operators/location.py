"""Land or sea from a place on the globe: how networks encode a location, in equal CPU time.

Equal numbers of parameters, the same points and the same loop for all. The frequencies of each were
chosen on a seed that is not shown here.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import jaxsci as jsci
from benchmarks.cases.operators._problems import SINGLE, count
from benchmarks.cases.operators.equal_time._learning import SEEDS, adam
from benchmarks.runner.case import Case, Run
from jaxsci.nn import SIREN, FourierFeatures, SphericalEmbedding

SECONDS = {"smoke": 0.3, "quick": 3.0, "full": 10.0}  # of CPU time, a network
POINTS = 10_000  # that are trained on; as many in the caps and twice as many anywhere are tested
CAP = 70  # degrees of latitude


class Globe(NamedTuple):
    """Unit vectors `(n, 3)`, and 1 for land: to train on, to test on, and in the polar caps."""

    x: jax.Array
    land: jax.Array
    test_x: jax.Array
    test_land: jax.Array
    cap_x: jax.Array
    cap_land: jax.Array


def globe(seed: int) -> Globe:
    """Points of equal density on the sphere, on the land mask of the GLOBE elevation model."""
    from global_land_mask import globe as mask  # pyright: ignore[reportMissingImports] (optional)

    rng, edge = np.random.default_rng(seed), np.sin(np.deg2rad(CAP))

    def labelled(z):
        latitude, longitude = np.degrees(np.arcsin(z)), rng.uniform(-180, 180, len(z))
        turn, ring = np.deg2rad(longitude), np.sqrt(1 - z**2)
        x = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], -1)
        land = mask.is_land(latitude, longitude)
        return jnp.asarray(x, SINGLE), jnp.asarray(land, SINGLE)

    train, test, cap = (rng.uniform(-1, 1, n) for n in (POINTS, 2 * POINTS, POINTS))
    cap = np.sign(cap) * (edge + (1 - edge) * np.abs(cap))
    return Globe(*labelled(train), *labelled(test), *labelled(cap))


class AngleFeatures(eqx.Module):
    """Products of cos and sin of multiples of the longitude with those of the latitude.

    What is usually taken of two angles: (2K + 1)² features, as many as harmonics of degree 2K.
    """

    harmonics: int = eqx.field(static=True)

    def __call__(self, x: Float[Array, "3"]) -> Float[Array, " features"]:
        longitude, latitude = jnp.arctan2(x[1], x[0]), jnp.arcsin(x[2])
        k = jnp.arange(self.harmonics + 1)
        east, north = (
            jnp.concatenate([jnp.cos(k * angle), jnp.sin(k[1:] * angle)])
            for angle in (longitude, latitude)
        )
        return jnp.outer(east, north).ravel()


class Encoding(NamedTuple):
    """Features of a unit vector, and the `SIREN` after them; some 11,000 parameters each."""

    embedding: Callable | None
    width: int
    frequency: float


ENCODINGS = {
    "harmonics": Encoding(SphericalEmbedding(10), 60, 6.0),
    "Fourier features of two angles": Encoding(AngleFeatures(5), 60, 3.0),
    "random Fourier features": Encoding(
        FourierFeatures(3, 60, scale=5.0, key=jax.random.key(5)), 60, 2.0
    ),
    "unit vector": Encoding(None, 102, 20.0),
}


def cross_entropy(logit, land):
    return jax.nn.softplus(logit) - land * logit


def learn(encoding, data, seed, seconds):
    """The share of wrong points anywhere and in the caps, the parameters, and the curve."""
    model = SIREN(
        3, "scalar", width=encoding.width, depth=2, frequency=encoding.frequency,
        embedding=encoding.embedding, key=jax.random.key(seed),
    )  # fmt: skip
    f, params = jsci.pure(model, dtype=SINGLE)

    @jax.jit
    def wrong(params, x, land):
        return jnp.mean((jax.vmap(partial(f, params))(x) > 0) != (land > 0))

    params, curve = adam(
        f, params, data.x, data.land, seconds=seconds, rate=2e-3, batch=500,
        watch=partial(wrong, x=data.test_x, land=data.test_land), cost=cross_entropy,
    )  # fmt: skip
    anywhere, caps = wrong(params, *data[2:4]), wrong(params, *data[4:])
    return float(anywhere), float(caps), count(params), curve


def land(size):
    """Three seeds of each encoding, of the points and of the network."""
    seconds = SECONDS[size]
    globes = [globe(seed) for seed in range(SEEDS)]

    def step():
        learned, curves = {}, {}
        for name, encoding in ENCODINGS.items():
            runs = [learn(encoding, data, seed, seconds) for seed, data in enumerate(globes)]
            learned[name] = [run[:3] for run in runs]
            curves[name] = runs[0][3]
        return learned, curves

    def figures(learned):
        return {
            name: f"{_range(r[0] for r in runs)} anywhere, {_range(r[1] for r in runs)} in the "
            f"caps ({runs[0][2]:,} parameters)"
            for name, runs in learned.items()
        }

    return Run(
        step,
        (),
        error=lambda learned: max(wrong for wrong, _, _ in learned["harmonics"]),
        host=True,
        note=f"{POINTS:,} points; {seconds:g} CPU seconds a network, {SEEDS} seeds; caps beyond "
        f"{CAP} degrees of latitude",
        figures=figures,
    )


def _range(shares):
    shares = [100 * share for share in shares]
    return f"{min(shares):.1f} to {max(shares):.1f} %"


CASES = [
    Case("operators.land", "operators", "Land or sea: encodings of a location", land, "full",
         reference="a land mask of 1 km", tolerance=0.08,
         error_name="worst share of wrong points with harmonics"),
]  # fmt: skip
