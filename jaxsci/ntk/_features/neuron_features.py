"""Separate features of a neuron's inputs and weights: φ(w · x + b) ≈ Φ(x) · Ψ(w, b)."""

import abc
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ...nn._dense import as_floats, check_sizes


class AbstractNeuronFeatures(eqx.Module):
    """Two maps into one space, whose inner product replaces a neuron of `in_size` inputs."""

    in_size: eqx.AbstractVar[int]

    @abc.abstractmethod
    def of_inputs(self, x: Num[Array, " in_size"]) -> Float[Array, " features"]:
        """Φ(x) of one input."""

    @abc.abstractmethod
    def of_weights(
        self, weight: Num[Array, " in_size"], bias: float | Num[Array, ""]
    ) -> Float[Array, " features"]:
        """Ψ(w, b) of one neuron."""


class FourierNeuronFeatures(AbstractNeuronFeatures):
    """Universal random features: any activation as a sum of waves, each wave as random features.

        φ(z) ≈ a₀ + Re Σₖ cₖ e^{i ξₖ z},
        e^{i ξ w·x} = E_g [e^{s g·x - i ξ |x|²/2} e^{s g·w - i ξ |w|²/2}],   s = √(iξ), g ~ N(0, 1)

    Unbiased for the sum of waves, which approximates φ to within `fit_error` for |w · x + b| ≤
    `reach`. The mean squared error falls as 1 / count, but grows as e^{ξ |x + w|²}.

    **Arguments:**

    - `activation`: φ, elementwise.
    - `in_size`, `count`: size of an input, and number of random waves; there are 2 count + 1
        features.
    - `key`: PRNG key of the waves.
    - `frequencies`: ξₖ > 0; (1,) is exact for sin and cos.
    - `reach`: half-width of the interval on which φ is fitted, by least squares.

    **Raises:** `ValueError` for sizes below 1, or frequencies or a reach that are not positive.

    **Good values:** inputs and weights of norm at most 1; frequencies k π / (2 reach), k = 1 to 4,
    for tanh and similar functions.

    **Source:** Sehanobish et al., "Scalable neural network kernels" (2023), section 3.2.

    ```python
    features = jsci.ntk.FourierNeuronFeatures(jnp.sin, 8, 512, key=jax.random.key(0))
    x, w = 0.1 * jax.random.normal(key, (2, 8))
    features.of_inputs(x) @ features.of_weights(w, 0.1)  # near sin(w · x + 0.1)
    ```
    """

    in_size: int = eqx.field(static=True)
    projections: Float[Array, "count in_size"]
    waves: Float[Array, " count"]
    amplitudes: Float[Array, "count 2"]
    mean: Float[Array, ""]
    fit_error: float = eqx.field(static=True)

    def __init__(
        self,
        activation: Callable[[Array], Array],
        in_size: int,
        count: int,
        *,
        key: PRNGKeyArray,
        frequencies: Sequence[float] = (1.0,),
        reach: float = float(np.pi),
    ):
        check_sizes(in_size=in_size, count=count)
        if not (len(frequencies) and min(frequencies) > 0 and reach > 0):
            raise ValueError(
                f"frequencies and reach must be positive, got {tuple(frequencies)} and {reach}."
            )
        self.in_size = in_size
        mean, cosines, sines, self.fit_error = _fitted_waves(activation, frequencies, reach)
        size = np.hypot(cosines, sines)
        total = size.sum()
        choice_key, key = jax.random.split(key)
        share = jnp.asarray(size / total if total else np.full(size.shape, 1 / size.size))
        chosen = jax.random.choice(choice_key, len(size), (count,), p=share)
        # waves are drawn in proportion to their size, so all drawn waves have equal weight
        unit = total / np.where(size == 0, 1, size)
        self.amplitudes = jnp.asarray(np.stack([cosines * unit, -sines * unit], axis=1))[chosen]
        self.waves = jnp.asarray(frequencies, self.amplitudes.dtype)[chosen]
        self.projections = jax.random.normal(key, (count, in_size))
        self.mean = jnp.asarray(mean)

    def of_inputs(self, x: Num[Array, " in_size"]) -> Float[Array, " features"]:
        size, phase = self._wave(as_floats(x))
        one = jnp.ones(1, size.dtype)
        return jnp.concatenate([one, size * jnp.cos(phase), -size * jnp.sin(phase)])

    def of_weights(
        self, weight: Num[Array, " in_size"], bias: float | Num[Array, ""]
    ) -> Float[Array, " features"]:
        weight = as_floats(weight)
        size, phase = self._wave(weight)
        waves, amplitudes, mean = self._fixed(self.waves, self.amplitudes, self.mean, like=weight)
        phase = phase + waves * bias
        a, b = amplitudes[:, 0], amplitudes[:, 1]
        real = size * (a * jnp.cos(phase) - b * jnp.sin(phase))
        imaginary = size * (a * jnp.sin(phase) + b * jnp.cos(phase))
        return jnp.concatenate([mean[None], real, imaginary])

    def _wave(self, x: Array) -> tuple[Array, Array]:
        """Modulus, over m^(1/2), and phase of e^{s g·x - i ξ |x|²/2}."""
        projections, waves = self._fixed(self.projections, self.waves, like=x)
        along = jnp.sqrt(waves / 2) * (projections @ x)
        return jnp.exp(along) / len(waves) ** 0.5, along - waves * jnp.sum(x**2) / 2

    def _fixed(self, *arrays: Array, like: Array) -> list[Array]:
        return [jax.lax.stop_gradient(a).astype(like.dtype) for a in arrays]


class ArcCosineNeuronFeatures(AbstractNeuronFeatures):
    """Features of the arc-cosine kernel of inputs and weights, in place of a ReLU neuron.

        Φ(x) · Ψ(w, b) → |x̂| |ŵ| (sin θ + (π - θ) cos θ) / 2π,   x̂ = (x, 1), ŵ = (w, b)

    with θ the angle of x̂ and ŵ; Φ(x) = max(0, G x̂) / √m, and Ψ the same of ŵ. Like ReLU it is
    zero where ŵ opposes x̂ and grows where they agree, but it is not ReLU. Unbiased, with a mean
    squared error that falls as 1 / count.

    **Arguments:**

    - `in_size`, `count`: size of an input, and the number m of features.
    - `key`: PRNG key of G.

    **Raises:** `ValueError` for sizes below 1.

    **Source:** Cho and Saul (2009), eq. 6; Sehanobish et al., "Scalable neural network kernels"
    (2023).

    ```python
    features = jsci.ntk.ArcCosineNeuronFeatures(8, 512, key=jax.random.key(0))
    layer = jsci.ntk.BundledDense(features, 64, key=jax.random.key(1))
    ```
    """

    in_size: int = eqx.field(static=True)
    directions: Float[Array, "count in_size_and_one"]

    def __init__(self, in_size: int, count: int, *, key: PRNGKeyArray):
        check_sizes(in_size=in_size, count=count)
        self.in_size = in_size
        self.directions = jax.random.normal(key, (count, in_size + 1))

    def of_inputs(self, x: Num[Array, " in_size"]) -> Float[Array, " features"]:
        x = as_floats(x)
        return self.of_weights(x, jnp.ones((), x.dtype))

    def of_weights(
        self, weight: Num[Array, " in_size"], bias: float | Num[Array, ""]
    ) -> Float[Array, " features"]:
        weight = as_floats(weight)
        directions = jax.lax.stop_gradient(self.directions).astype(weight.dtype)
        signal = directions @ jnp.append(weight, bias)
        return jax.nn.relu(signal) / len(directions) ** 0.5


def _fitted_waves(activation, frequencies, reach):
    """Mean, cosines, sines and largest error of the least-squares sum of waves on ±reach."""
    z = np.linspace(-reach, reach, 64 * (2 * len(frequencies) + 1))
    phase = np.outer(z, np.asarray(frequencies, float))
    basis = np.concatenate([np.ones((len(z), 1)), np.cos(phase), np.sin(phase)], axis=1)
    with jax.ensure_compile_time_eval():  # φ is known, even if the features are drawn under jit
        value = np.asarray(activation(jnp.asarray(z)), float)
    # small singular values add little accuracy but large waves, and so variance
    solution = np.linalg.lstsq(basis, value, rcond=1e-6)[0]
    error = float(np.abs(basis @ solution - value).max())
    return solution[0], *np.split(solution[1:], 2), error
