"""A functional whose grid points exchange messages via the atoms."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...core import memoised
from .._basis.functions import solid_harmonics
from .._xc import Functional
from .._xc.density import MolecularDensity
from .._xc.features import Features, Level
from .._xc.slater import slater
from .neural import Network, call_network, check_network, descriptors
from .nonlocal_functional import nonlocal_functional

# Widths of the Gaussians around an atom in Bohr, geometrically spaced from core to valence.
_NARROWEST, _WIDEST = 0.5, 3.0


@memoised
def message_functional(
    send: Network,
    read: Network,
    *,
    channels: int,
    base: Functional | None = None,
    lmax: int = 2,
    radial: int = 3,
    cutoff: float = 8.0,
    level: Level = "gga",
    inputs: Callable[[Features, Level], Float[Array, " descriptors"]] = descriptors,
) -> Functional:
    """A nonlocal neural functional: grid points send messages to the atoms and read from them.

        h(r) = send(θ; d(r)),   M_Anlm = ∫ ρ(r) h(r) g_n(r_A) Y_lm(r_A) dr
        m_nl(r) = Σ_A g_n(r_A) Σ_m Y_lm(r_A) M_Anlm
        E_xc = E_base + ∫ e_x^LDA(r) read(θ; d(r), tanh m(r)) dr

    with r_A = r - R_A, Gaussians g_n that end smoothly at the cutoff, and solid harmonics Y_lm. The
    messages are invariant under rotations, reflections and exchanges of equal atoms, and energies
    of molecules twice the cutoff apart add up. The cost is linear in points and atoms.

    **Arguments:**

    - `send`: `send(params["send"], d) -> (channels,)`, the message of one point.
    - `read`: `read(params["read"], x) -> scalar`; x has `message_size(...)` more entries than d.
    - `channels`: numbers that every point sends.
    - `base`: the functional to correct; none by default.
    - `lmax`: the largest angular momentum of the messages.
    - `radial`: the number of Gaussians.
    - `cutoff`: distance in Bohr beyond which a point and an atom exchange nothing.
    - `level`: which descriptors: "lda" (2), "gga" (3), "mgga" (4) or "laplacian" (5).
    - `inputs`: your own descriptors instead, `inputs(features, level) -> vector`.

    **Returns:** a `Functional` of parameters `{"send": ..., "read": ...}`.

    **Raises:** as `neural_functional`; `ValueError` for sizes that are not positive.

    **Good values:** the defaults with 4 to 16 channels; a last layer of `read` scaled by 0.1.

    **Source:** Luise et al., arXiv 2506.14665 (Skala), for points that communicate via the atoms.

    ```python
    keys = jax.random.split(jax.random.key(0))
    f, p = jsci.pure(jsci.nn.MLP(3, 4, width=16, depth=2, key=keys[0], dtype=float))
    size = 3 + jsci.dft.message_size(4)
    g, q = jsci.pure(jsci.nn.MLP(size, "scalar", width=16, depth=2, key=keys[1], dtype=float))
    functional = jsci.dft.message_functional(f, g, channels=4, base=jsci.dft.xc("pbe"))
    jsci.dft.scf(water, functional, {"send": p, "read": q})
    ```
    """
    message_size(channels, lmax=lmax, radial=radial)
    if not cutoff > 0:
        raise ValueError(f"cutoff must be a positive length in Bohr, got {cutoff}.")
    for network in (send, read):
        check_network(network, level)

    def energy(params: Any, density: MolecularDensity) -> Float[Array, ""]:
        d = jax.vmap(lambda f: inputs(f, level))(density.features)
        sent = jax.vmap(lambda x: call_network(send, params["send"], x, (channels,)))(d)
        received = _messages(density, sent, lmax, radial, cutoff)
        seen = jnp.concatenate([d, jnp.tanh(received)], axis=1)
        factor = jax.vmap(lambda x: call_network(read, params["read"], x, ()))(seen)
        return jnp.sum(density.weights * slater(density.features) * factor)

    functional = nonlocal_functional(energy, level=level, name="messages")
    return functional if base is None else base + functional


def message_size(channels: int, *, lmax: int = 2, radial: int = 3) -> int:
    """The number of messages that every point receives in `message_functional`.

    **Arguments:**

    - `channels`: numbers that every point sends.
    - `lmax`: the largest angular momentum.
    - `radial`: the number of Gaussians.

    **Returns:** channels × radial × (lmax + 1).

    **Raises:** `ValueError` if `channels` or `radial` is below 1, or `lmax` below 0.

    ```python
    jsci.dft.message_size(4)  # 36
    ```
    """
    if channels < 1 or lmax < 0 or radial < 1:
        raise ValueError(
            f"channels and radial must be at least 1 and lmax at least 0, got {channels}, {radial} "
            f"and {lmax}."
        )
    return channels * radial * (lmax + 1)


def _messages(density: MolecularDensity, sent, lmax, radial, cutoff) -> Float[Array, "points k"]:
    """The messages to each point: summed at the atoms, contracted over m on the way back."""
    displacement = (density.points[:, None] - density.coordinates[None]).transpose(2, 1, 0)
    r2 = jnp.sum(displacement**2, axis=0)
    inside = jnp.maximum(1 - r2 / cutoff**2, 0) ** 3 * density.atom_mask[:, None]
    harmonics = solid_harmonics(displacement, lmax)  # (lm, atoms, points)
    widths = np.geomspace(_NARROWEST, _WIDEST, radial) if radial > 1 else np.array([_NARROWEST])
    gathered = density.weights[:, None] * density.features.rho[:, None] * sent
    received = []
    for width in widths:
        for l in range(lmax + 1):
            shape = inside * jnp.exp(-r2 / (2 * width**2)) / width**l
            about = shape[None] * harmonics[l**2 : (l + 1) ** 2]
            at_atoms = jnp.einsum("mag,gc->mac", about, gathered)
            received.append(jnp.einsum("mag,mac->gc", about, at_atoms))
    return jnp.concatenate(received, axis=1)
