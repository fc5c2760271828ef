"""Functionals with a trainable part."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import memoised
from .._xc import Functional, xc
from .._xc.features import LEVELS, Features, Level, SpinFeatures, highest_level
from .._xc.pbe import reduced_gradient_squared
from .._xc.powers import spin_scaled
from .._xc.slater import slater, uniform_exchange

Network = Callable[[Any, Float[Array, " descriptors"]], Float[Array, "..."]]
# Input sizes that are tried, to say which one a failing network takes.
_MOST_INPUTS = 64


def descriptors(features: Features, level: Level) -> Float[Array, " descriptors"]:
    """What a network sees of one point: numbers of order one.

        d = (ρ^(1/3)/(1 + ρ^(1/3)), ζ², s²/(1 + s²), τ/(τ + τ_TF), q/√(1 + q²))

    with the reduced gradient s, the kinetic energy density τ_TF of the uniform gas, and the reduced
    Laplacian q = ∇²ρ/(4 (3π²)^(2/3) ρ^(5/3)). All are dimensionless and bounded: the last lies
    between -1 and 1, the others between 0 and 1.

    **Arguments:**

    - `features`: `Features` of one point, scalars in Hartree atomic units.
    - `level`: how many entries: "lda" the first 2, "gga" 3, "mgga" 4, "laplacian" all 5.

    **Returns:** d of that many entries.

    ```python
    point = jsci.dft.Features(rho_a=0.1, rho_b=0.1, sigma_aa=0.01, sigma_ab=0.01, sigma_bb=0.01)
    jsci.dft.descriptors(point, "gga")  # three numbers between 0 and 1
    ```
    """
    rho = features.rho
    root = jnp.cbrt(rho)
    found = [root / (1 + root), features.zeta**2]
    if level != "lda":
        s2 = reduced_gradient_squared(rho, features.sigma)
        found.append(s2 / (1 + s2))
    fermi = (3 * jnp.pi**2) ** (2 / 3) * rho * root**2
    if level in ("mgga", "laplacian"):
        found.append(features.tau / (features.tau + 0.3 * fermi))
    if level == "laplacian":
        q = features.laplacian / (4 * fermi)
        found.append(q / jnp.sqrt(1 + q**2))
    return jnp.stack(found)


@memoised
def neural_functional(
    f: Network,
    *,
    base: Functional | None = None,
    level: Level = "gga",
    inputs: Callable[[Features, Level], Float[Array, " descriptors"]] = descriptors,
) -> Functional:
    """A base functional plus local exchange times a network.

        e_xc(θ) = e_base + e_x^LDA f(θ, d),   d = descriptors(ρ_α, ρ_β, ...)

    The network maps bounded, dimensionless descriptors of one point (see `descriptors`) to one
    number; where that is zero the base remains. The descriptors do not change when α and β are
    exchanged, so neither does the energy.

    **Arguments:**

    - `f`: `f(params, d) -> scalar` or one entry, for example from `jsci.pure(network)`. It must be
        smooth for a smooth potential: tanh, softplus or GELU rather than ReLU.
    - `base`: the functional to correct; PBE by default.
    - `level`: which descriptors: "lda" (2), "gga" (3), "mgga" (4) or "laplacian" (5).
    - `inputs`: your own descriptors instead, `inputs(features, level) -> vector`.

    **Returns:** a `Functional`, called with the network's parameters.

    **Raises:** `ValueError` for an unknown level, or (at the first call) if `f` takes another
    number of inputs or does not return one number; `TypeError` if `f` is not callable.

    **Good values:** scale the initial last layer by 0.01 to 0.1; the SCF then converges as easily
    as that of the base.

    ```python
    network = jsci.nn.MLP(3, "scalar", width=8, depth=2, key=jax.random.key(0))
    f, params = jsci.pure(network)  # 3 descriptors in, a scalar out
    functional = jsci.dft.neural_functional(f)
    jsci.dft.scf(water, functional, params).energy
    ```
    """
    check_network(f, level)
    base = xc("pbe") if base is None else base

    def correction(params: Any, features: Features) -> Float[Array, ""]:
        return slater(features) * call_network(f, params, inputs(features, level), ())

    return base + Functional(((1.0, correction),), level, name="neural")


@memoised
def neural_exchange(
    f: Network,
    *,
    level: Level = "gga",
    inputs: Callable[[Features, Level], Float[Array, " descriptors"]] = descriptors,
) -> Functional:
    """Exchange with an enhancement factor that is a network.

        E_x[ρ_α, ρ_β] = ½ Σ_s ∫ e_x^LDA(2ρ_s) F(θ, d(2ρ_s))

    The network is evaluated for one spin at a time, as for an unpolarised density, so that spin
    scaling holds by construction.

    **Arguments:**

    - `f`: `f(params, d) -> scalar`, the enhancement factor F itself; 1 is local exchange.
    - `level`: which descriptors: "lda" (2), "gga" (3) or "mgga" (4).
    - `inputs`: your own descriptors instead, `inputs(features, level) -> vector`.

    **Returns:** a `Functional`; add a correlation functional to it.

    **Raises:** as `neural_functional`; `ValueError` for the level "laplacian", as the Laplacian of
    one spin is not at hand.

    **Source:** Oliver & Perdew, Phys. Rev. A 20, 397 (1979).

    ```python
    f = lambda params, d: 1 + params * d[2]  # or a network, by jsci.pure
    functional = jsci.dft.neural_exchange(f) + jsci.dft.xc("pbe_c")
    ```
    """
    check_network(f, level)
    if level == "laplacian":
        raise ValueError(
            "neural_exchange() sees no Laplacian of one spin: use the level mgga, or "
            "neural_functional, which sees that of both."
        )

    def exchange(params: Any, features: Features) -> Float[Array, ""]:
        def unpolarised(spin: SpinFeatures):
            rho, sigma, tau = spin.rho / 2, spin.sigma / 4, spin.tau / 2
            both = Features(rho, rho, sigma, sigma, sigma, tau, tau, polarised=False)
            return uniform_exchange(spin.rho) * call_network(f, params, inputs(both, level), ())

        return spin_scaled(unpolarised, features)

    return Functional(((1.0, exchange),), level, name="neural exchange")


@memoised
def weighted_functional(
    f: Network,
    parts: Sequence[Functional],
    *,
    level: Level = "gga",
    inputs: Callable[[Features, Level], Float[Array, " descriptors"]] = descriptors,
) -> Functional:
    """Energy densities mixed at every point by a network.

        e_xc(θ) = Σ_k c_k(θ; d) e_k

    **Arguments:**

    - `f`: `f(params, d) -> (parts,)`, one coefficient for each part.
    - `parts`: semilocal functionals e_k.
    - `level`: which descriptors: "lda" (2), "gga" (3), "mgga" (4) or "laplacian" (5).
    - `inputs`: your own descriptors instead, `inputs(features, level) -> vector`.

    **Returns:** a `Functional`, called with the network's parameters.

    **Raises:** as `neural_functional`; `ValueError` if there are no parts, or one is not semilocal.
    For exact exchange see `local_hybrid`.

    **Source:** Casares et al., J. Chem. Phys. 160, 062501 (2024).

    ```python
    f, params = jsci.pure(jsci.nn.MLP(3, 2, width=8, depth=2, key=jax.random.key(0)))
    functional = jsci.dft.weighted_functional(f, [jsci.dft.xc("b88"), jsci.dft.xc("lyp")])
    ```
    """
    check_network(f, level)
    parts = tuple(parts)
    if not parts or not all(part.semilocal for part in parts):
        raise ValueError(
            "weighted_functional() mixes one or more semilocal functionals, got "
            f"{list(parts)!r:.200}. Add exact exchange to the result instead."
        )

    def mixture(params: Any, features: Features) -> Float[Array, ""]:
        coefficients = call_network(f, params, inputs(features, level), (len(parts),))
        return jnp.sum(coefficients * jnp.stack([e(params, features) for e in parts]))

    highest = level
    for part in parts:
        highest = highest_level(highest, part.level)
    return Functional(((1.0, mixture),), highest, name="weighted")


def call_network(f: Network, params: Any, d: Array, shape: tuple[int, ...]) -> Array:
    """The output of the network at one point, checked to have the required shape."""
    try:
        out = f(params, d)
    except Exception as error:
        sizes = _sizes_taken(f, params, d)
        if not sizes:
            raise
        raise ValueError(
            f"the network takes {' or '.join(map(str, sizes))} inputs, and this functional gives "
            f"it {d.size}: change the network's input size, or the functional's level or inputs."
        ) from error
    if shape == () and jnp.shape(out) == (1,):  # a last layer of one unit
        return out[0]
    if jnp.shape(out) != shape:
        raise ValueError(f"the network must map one point to shape {shape}, got {jnp.shape(out)}.")
    return out


def _sizes_taken(f: Network, params: Any, d: Array) -> list[int]:
    """The numbers of inputs that the network accepts."""

    def answers(size):
        try:
            jax.eval_shape(lambda x: f(params, x), jax.ShapeDtypeStruct((size,), d.dtype))
        except Exception:  # a network may refuse a size in any way
            return False
        return True

    return [size for size in range(1, _MOST_INPUTS + 1) if answers(size)]


def check_network(f: Any, level: Level, like: str = "f(params, descriptors)") -> None:
    """Refuse what is not a function, or a level that is unknown."""
    if not callable(f):
        raise TypeError(f"expected a function {like}, got {type(f).__name__}.")
    if level not in LEVELS:
        raise ValueError(f"level is {level!r}; allowed are {', '.join(LEVELS)}.")
