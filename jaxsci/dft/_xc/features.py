"""The density at one point in space, as functionals see it."""

from typing import Literal, NamedTuple, get_args

import equinox as eqx
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

# Below this density (electrons/Bohr³) the energy is lost in rounding: 1e-15 per point against
# totals of 1 to 1000 Hartree.
DENSITY_CUTOFF = 1e-15

Level = Literal["lda", "gga", "mgga", "laplacian"]
LEVELS: tuple[Level, ...] = get_args(Level)


def highest_level(a: Level, b: Level) -> Level:
    """The one that needs more of the density."""
    return a if LEVELS.index(a) > LEVELS.index(b) else b


class Features(eqx.Module):
    """Spin densities and their derivatives, at one point or at many; Hartree atomic units.

    **Arguments:**

    - `rho_a`, `rho_b`: spin densities ρ_α, ρ_β in Bohr⁻³.
    - `sigma_aa`, `sigma_ab`, `sigma_bb`: ∇ρ_α·∇ρ_α, ∇ρ_α·∇ρ_β, ∇ρ_β·∇ρ_β in Bohr⁻⁸.
    - `tau_a`, `tau_b`: kinetic energy densities ½ Σᵢ |∇φᵢ|² of each spin in Hartree/Bohr³ (the
        convention of libxc).
    - `laplacian_a`, `laplacian_b`: ∇²ρ of each spin in Bohr⁻⁵; solvers compute them only for
        functionals of level "laplacian", otherwise they are zero.
    - `polarised`: `False` promises that both spins are equal, so that functionals may skip what
        vanishes with the spin polarisation.

    All arrays have the shape of `rho_a`, which is () for one point; scalars are broadcast to it.
    Sums over both spins are `rho`, `sigma` (|∇ρ|²), `tau` and `laplacian`; `zeta` is the spin
    polarisation (ρ_α - ρ_β)/ρ.

    ```python
    f = jsci.dft.Features(rho_a=0.1, rho_b=0.1, sigma_aa=0.0, sigma_ab=0.0, sigma_bb=0.0)
    f.rho, f.zeta  # 0.2, 0.0
    ```
    """

    rho_a: Float[Array, "*points"]
    rho_b: Float[Array, "*points"]
    sigma_aa: Float[Array, "*points"]
    sigma_ab: Float[Array, "*points"]
    sigma_bb: Float[Array, "*points"]
    tau_a: Float[Array, "*points"]
    tau_b: Float[Array, "*points"]
    laplacian_a: Float[Array, "*points"]
    laplacian_b: Float[Array, "*points"]
    polarised: bool = eqx.field(static=True)

    def __init__(
        self,
        rho_a: ArrayLike,
        rho_b: ArrayLike,
        sigma_aa: ArrayLike = 0.0,
        sigma_ab: ArrayLike = 0.0,
        sigma_bb: ArrayLike = 0.0,
        tau_a: ArrayLike = 0.0,
        tau_b: ArrayLike = 0.0,
        laplacian_a: ArrayLike = 0.0,
        laplacian_b: ArrayLike = 0.0,
        *,
        polarised: bool = True,
    ):
        self.rho_a = jnp.asarray(rho_a)
        like = self.rho_a
        self.rho_b = _broadcast(rho_b, like)
        self.sigma_aa = _broadcast(sigma_aa, like)
        self.sigma_ab = _broadcast(sigma_ab, like)
        self.sigma_bb = _broadcast(sigma_bb, like)
        self.tau_a = _broadcast(tau_a, like)
        self.tau_b = _broadcast(tau_b, like)
        self.laplacian_a = _broadcast(laplacian_a, like)
        self.laplacian_b = _broadcast(laplacian_b, like)
        self.polarised = polarised

    @property
    def rho(self) -> Float[Array, "*points"]:
        """Total density."""
        return self.rho_a + self.rho_b

    @property
    def zeta(self) -> Float[Array, "*points"]:
        """Spin polarisation (ρ_α - ρ_β)/ρ."""
        if not self.polarised:
            return jnp.zeros_like(self.rho_a)
        return (self.rho_a - self.rho_b) / self.rho

    @property
    def sigma(self) -> Float[Array, "*points"]:
        """|∇ρ|² of the total density."""
        return self.sigma_aa + 2 * self.sigma_ab + self.sigma_bb

    @property
    def tau(self) -> Float[Array, "*points"]:
        """Total kinetic energy density."""
        return self.tau_a + self.tau_b

    @property
    def laplacian(self) -> Float[Array, "*points"]:
        """∇²ρ of the total density."""
        return self.laplacian_a + self.laplacian_b

    @property
    def spins(self) -> tuple["SpinFeatures", ...]:
        """(ρ, σ, τ) of each spin; one entry stands for both if `polarised` is `False`."""
        a = SpinFeatures(self.rho_a, self.sigma_aa, self.tau_a)
        b = SpinFeatures(self.rho_b, self.sigma_bb, self.tau_b)
        return (a, b) if self.polarised else (a,)


class SpinFeatures(NamedTuple):
    """Density, squared gradient and kinetic energy density of one spin."""

    rho: Float[Array, "*points"]
    sigma: Float[Array, "*points"]
    tau: Float[Array, "*points"]


def _broadcast(x, like):
    x = jnp.asarray(x, like.dtype)
    return jnp.broadcast_to(x, like.shape) if x.shape != like.shape else x
