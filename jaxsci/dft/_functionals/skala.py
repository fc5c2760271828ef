"""Skala: a functional whose points talk, via their atom, to the other points of that atom."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ...core import require_x64
from ...numerics import spherical_harmonics
from .._basis.quadrature import sum_of_blocks
from .._xc import Functional
from .._xc.density import MolecularDensity
from .._xc.features import Features
from .._xc.slater import slater
from .couplings import powers
from .nonlocal_functional import nonlocal_functional
from .skala_parameters import check, random

# The least and the largest σ of the radial functions in Bohr, with the published Bohr per Ångström.
RADIAL_WIDTHS = 0.16 * 1.88973, 1.16 * 1.88973
_SMALLEST = 1e-5  # is added to each input before the logarithm
_BESIDE = 3e-20  # is added to squared distances, in Bohr²
_BLOCK = 1024  # points, whose hidden features fit into the processor's cache

Points = dict[str, Any]


def skala(
    *, key: Key[Array, ""], width: int = 256, channels: int = 16, lmax: int = 3, layers: int = 2
) -> tuple[Functional, dict[str, Any]]:
    """The nonlocal functional Skala, of any size, with random parameters.

        E_xc = ∫ e_x^LDA(r) 2 σ(½ f(h_K(r))) dr,   h_0 = ½ [enc(d_αβ) + enc(d_βα)]
        M_A,lm = B(Σ_g∈A q_g s(h(r_g)) g(r_gA) Y_lm(r_gA)),   g_c(r) = N_c r² exp(-r²/(2 σ_c²))
        h_k+1 = join(h_k, e^-ρ read(Σ_lm M_A,lm g(r_A) Y_lm(r_A)))

    with d = log(ρ_α, ρ_β, |∇ρ_α|², |∇ρ_β|², τ_α, τ_β, |∇ρ|²), each plus 1e-5. Every point sends to
    and reads from the atom A that its grid belongs to, with the weights q_g of that atom's own
    grid. B mixes channels and adds products of up to three of the sums. The cost is linear in the
    points, which are taken in blocks, so that memory does not grow with them.

    **Arguments:**

    - `key`: of the random parameters.
    - `width`: hidden features of a point.
    - `channels`: numbers that every point sends, and radial functions; at least 2.
    - `lmax`: the largest angular momentum of what it sends.
    - `layers`: how often all points send and read.

    **Returns:** `(functional, params)`: a `Functional`, and its parameters as nested lists of
    arrays. Its enhancement factor starts around 1.

    **Raises:** `ValueError` for sizes that are not positive.

    **Notes:** the energy depends on the atomic grids, not just on the density: use the grid level
    of training throughout. It is invariant under rotations as far as the grid is, and under
    exchange of the spins, but not under reflections: the published network couples its vectors as
    if all were even. Dispersion is not in it; add `d3(...)`.

    **Good values:** the defaults are those of the published functional, of 301,441 parameters. A
    small one has a width of 32, 4 channels, lmax 1 and one layer.

    **Source:** Luise et al., arXiv 2506.14665; its implementation, github.com/microsoft/skala.

    ```python
    functional, params = jsci.dft.skala(key=jax.random.key(0), width=16, channels=4)
    jsci.dft.scf(water, functional, params).energy
    ```
    """
    require_x64("jsci.dft.skala")
    sizes = {"width": width, "channels": channels, "lmax": lmax, "layers": layers}
    smallest = {"width": 1, "channels": 2, "lmax": 0, "layers": 1}
    for name, size in sizes.items():
        if size < smallest[name]:
            raise ValueError(f"{name} must be at least {smallest[name]}, got {size}.")
    return functional(), random(key, **sizes)


def functional() -> Functional:
    """The functional of any parameters, whose sizes are those of their arrays."""
    return nonlocal_functional(_energy, level="mgga", name="skala")


def _energy(params: Any, density: MolecularDensity) -> Float[Array, ""]:
    """In one pass over the blocks per layer, and one for the energy.

    Each pass computes the features of its points anew from those of the density, so that no array
    of size points × width exists.
    """
    check(params)
    blocks = _blocks(params, density)
    atoms = len(density.coordinates)
    messages: list[Array] = []
    for layer in params["layers"]:

        def sent(block, layer=layer, messages=tuple(messages)):
            return _sent(layer, _hidden(params, messages, block), block, atoms)

        at_atoms = sum_of_blocks(sent, blocks, blocks["atomic_weights"])
        messages.append(_message(layer, at_atoms))

    def energy(block):
        hidden = _dense(params["output"][0], _hidden(params, tuple(messages), block))
        last = _linear(params["output"][1], hidden)[:, 0]
        return jnp.sum(block["exchange"] * 2 * jax.nn.sigmoid(last / 2))

    return sum_of_blocks(energy, blocks, blocks["exchange"])


def _blocks(params: Any, density: MolecularDensity) -> Points:
    """What the network needs to know of each point, in blocks on a leading axis."""
    features, owner = density.features, density.owner
    block = min(_BLOCK, len(owner))

    def in_blocks(x):
        padding = ((0, -len(owner) % block),) + ((0, 0),) * (x.ndim - 1)
        return jnp.pad(x, padding).reshape(-1, block, *x.shape[1:])

    # Points move with their atom.
    displacement = jax.lax.stop_gradient(density.points - density.coordinates[owner])
    sizes = params["layers"][0]["down"].shape
    shapes = jax.lax.map(lambda x: _shapes(x, sizes), in_blocks(displacement))
    rest = {
        "inputs": _inputs(features, density.present),
        "screening": jnp.exp(-jnp.where(density.present, features.rho, 0)),
        "exchange": density.weights * slater(features),
        "atomic_weights": density.atomic_weights,
        "owner": owner,
    }
    return {**jax.tree.map(in_blocks, rest), **shapes}


def _inputs(features: Features, present) -> Float[Array, "points spins 7"]:
    """log(|x| + 1e-5) of what one point knows, in both orders of the spins if they differ."""
    f = features
    orders = [(f.rho_a, f.rho_b, f.sigma_aa, f.sigma_bb, f.tau_a, f.tau_b, f.sigma)]
    if f.polarised:
        orders.append((f.rho_b, f.rho_a, f.sigma_bb, f.sigma_aa, f.tau_b, f.tau_a, f.sigma))
    x = jnp.stack([jnp.stack(order, axis=-1) for order in orders], axis=1)
    # Where there is no density, the features are not those of the point.
    return jnp.log(jnp.abs(jnp.where(present[:, None, None], x, 0)) + _SMALLEST)


def _shapes(displacement, sizes) -> Points:
    """Radial functions and harmonics of a block of points."""
    momenta, _, channels = sizes
    r2 = jnp.sum(displacement**2, axis=1) + _BESIDE
    t = 2 * np.linspace(*RADIAL_WIDTHS, channels)[None] ** 2
    radial = 2 / (3 * t * (np.pi * t) ** 1.5) * r2[:, None] * jnp.exp(-r2[:, None] / t)
    # The published harmonics have their pole on the y axis, and squares that add up to 1.
    unit = (displacement / jnp.sqrt(r2)[:, None])[:, jnp.array([2, 0, 1])]
    norms = np.sqrt(4 * np.pi / (2 * _momentum(momenta)[None] + 1))
    harmonics = norms * spherical_harmonics(unit, degree=momenta - 1)
    return {"radial": radial, "harmonics": harmonics}


def _momentum(momenta: int) -> np.ndarray:
    """The angular momentum of each harmonic."""
    return np.repeat(np.arange(momenta), 2 * np.arange(momenta) + 1)


def _hidden(params, messages: tuple[Array, ...], block: Points) -> Float[Array, "points width"]:
    """Hidden features of a block of points, after as many layers as there are messages."""
    first, second = params["encoder"]
    h = jnp.mean(_dense(second, _dense(first, block["inputs"])), axis=1)
    for layer, message in zip(params["layers"], messages, strict=False):
        here = jnp.einsum("gkc,gk->gc", message[block["owner"]], block["harmonics"])
        read = _dense(layer["read"], here * block["radial"])
        h = _dense(layer["join"], jnp.concatenate([h, read * block["screening"][:, None]], axis=1))
    return h


def _sent(layer, hidden, block: Points, atoms: int) -> Float[Array, "atoms harmonics channels"]:
    """The sums over a block's points at the atoms that own them."""
    own = _dense(layer["send"], hidden)
    mixed = jnp.einsum("gu,luc->glc", own, layer["down"])
    weighted = mixed * (block["atomic_weights"][:, None] * block["radial"])[:, None]
    l = _momentum(len(layer["down"]))
    sent = weighted[:, l] * (block["harmonics"] / np.sqrt(2 * l[None] + 1))[..., None]
    return jax.ops.segment_sum(sent, block["owner"], atoms)


def _message(layer, sent: Float[Array, "atoms harmonics channels"]):
    """What the points of each atom read, from what they have sent."""
    l = _momentum(len(layer["mix"]))
    mixed = jnp.einsum("aku,kuc->akc", sent, layer["mix"][l])
    up = layer["up"][l] / np.sqrt(2 * l + 1)[:, None, None]
    return jnp.einsum("aku,kuc->akc", powers(layer["products"], mixed), up)


def _linear(parameters, x):
    weight, bias = parameters
    y = x @ weight
    return y + jnp.broadcast_to(bias, y.shape)


def _dense(parameters, x):
    return jax.nn.silu(_linear(parameters, x))
