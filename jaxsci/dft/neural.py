"""Functionals with a trainable part."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .features import LEVELS, Features
from .xc import Functional, xc
from .xc.pbe import reduced_gradient_squared
from .xc.slater import slater


def neural_functional(
    f: Callable[[Any, Float[Array, " descriptors"]], Float[Array, ""]],
    *,
    base: Functional | None = None,
    level: str = "gga",
) -> Functional:
    """A functional that a network corrects: the base plus local exchange times the network.

        e_xc(θ) = e_base + e_x^LDA f(θ, d),   d = descriptors(ρ_α, ρ_β, ...)

    The network sees bounded, dimensionless descriptors of one point (see `descriptors`) and returns
    one number; where it returns zero the base remains. Its descriptors do not change when α and β
    are exchanged, so neither does the energy.

    **Arguments:**

    - `f`: `f(params, d) -> scalar`, for example from `jsci.pure(network)`. Smooth, or its
        potential is not: tanh, softplus or GELU rather than ReLU.
    - `base`: what is corrected; PBE by default.
    - `level`: which descriptors: "lda" (2), "gga" (3) or "mgga" (4).

    **Returns:** a `Functional`, called with the network's parameters.

    **Raises:** `ValueError` for an unknown level; `TypeError` if `f` is not callable.

    **Good values:** scale the last layer by 0.01 to 0.1 at the start: the self-consistent field
    then converges as easily as the base's.

    ```python
    f, params = jsci.pure(network)  # 3 descriptors in, a scalar out
    functional = jsci.dft.neural_functional(f)
    jsci.dft.scf(water, functional, params).energy
    ```
    """
    if not callable(f):
        raise TypeError(f"f must be a function f(params, descriptors), got {type(f).__name__}.")
    if level not in LEVELS:
        raise ValueError(f"level is {level!r}; allowed are {', '.join(LEVELS)}.")
    base = xc("pbe") if base is None else base

    def correction(params: Any, features: Features) -> Float[Array, ""]:
        return slater(features) * f(params, descriptors(features, level))

    return base + Functional(((1.0, correction),), level, name="neural")


def descriptors(features: Features, level: str) -> Float[Array, " descriptors"]:
    """What a network sees of one point: numbers between 0 and 1.

    ρ^(1/3)/(1 + ρ^(1/3)), ζ², then s²/(1 + s²) with the reduced gradient s, then
    τ/(τ + τ_TF) with the kinetic energy density τ_TF of the uniform gas.
    """
    rho = features.rho
    root = jnp.cbrt(rho)
    found = [root / (1 + root), features.zeta**2]
    if level != "lda":
        s2 = reduced_gradient_squared(rho, features.sigma)
        found.append(s2 / (1 + s2))
    if level == "mgga":
        uniform = 0.3 * (3 * jnp.pi**2) ** (2 / 3) * rho * root**2
        found.append(features.tau / (features.tau + uniform))
    return jnp.stack(found)
