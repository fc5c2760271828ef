"""Deep operator networks: a branch reads the input function, a trunk the point of evaluation."""

import functools
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.pointwise import Pointwise, apply_mlp, gelu, pointwise_mlp


class DeepONet(eqx.Module):
    """Deep operator network: the output function is a learned combination of learned functions.

        G(a)(y)_c = Σ_k b_kc(a(x₁), ..., a(x_m)) t_k(y) + β_c

    The branch b sees the input function at m fixed sensors; the trunk t sees any point y, so the
    output is a function of y that `jsci.derivative` differentiates (physics-informed training).

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `sensors`: number m of points at which the input function is given, in any arrangement.
    - `dim`: dimension of y.
    - `width`, `depth`: hidden channels and hidden layers of branch and trunk. Good values: 40 to
        128 and 2 to 4.
    - `terms`: number of terms k of the sum. Good value: `width`, the default.
    - `activation`: of the hidden layers and of the trunk's output.
    - `key`: PRNG key of the weights.

    Called as `model(a, y)`: `a` is one input function `(*grid, in_channels)` with m grid points,
    `y` is one point `(dim,)` or many `(*points, dim)`. Returns `(*points, out_channels)`. Batches:
    `jax.vmap(model, (0, None))` if all functions share the points (the trunk is then computed
    once), `jax.vmap(model)` if each has its own.

    **Raises:** `ValueError` for another number of sensors, channels or dimensions.

    **Source:** Lu et al., Nature Machine Intelligence 3 (2021), eq. (2), "unstacked".

    ```python
    model = jsci.operators.DeepONet(1, 1, sensors=64, dim=1, width=40, depth=2, key=key)
    u = model(a, y)  # a: (64, 1), y: (50, 1), u: (50, 1)
    us = jax.vmap(model, (0, None))(batch, y)
    ```
    """

    branch: list[Pointwise]
    trunk: list[Pointwise]
    bias: Float[Array, " out_channels"]
    in_channels: int = eqx.field(static=True)
    sensors: int = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    activation: Callable = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        sensors: int,
        dim: int,
        width: int,
        depth: int,
        terms: int | None = None,
        activation: Callable = gelu,
        key: PRNGKeyArray,
    ):
        terms = width if terms is None else terms
        if min(in_channels, out_channels, sensors, dim, width, depth, terms) < 1:
            raise ValueError(
                "DeepONet needs in_channels, out_channels, sensors, dim, width, depth and terms "
                f">= 1; got {in_channels}, {out_channels}, {sensors}, {dim}, {width}, {depth} and "
                f"{terms}."
            )
        keys = jax.random.split(key)
        hidden = [width] * depth
        sizes = [sensors * in_channels, *hidden, terms * out_channels]
        self.branch = _layers(sizes, keys[0])
        self.trunk = _layers([dim, *hidden, terms], keys[1])
        self.bias = jnp.zeros(out_channels)
        self.in_channels, self.sensors, self.dim = in_channels, sensors, dim
        self.activation = activation

    def __call__(
        self, a: Float[Array, "*grid in_channels"], y: Float[Array, "*points dim"]
    ) -> Float[Array, "*points out_channels"]:
        self._check(a, y)
        b = apply_mlp(self.branch, a.reshape(-1), self.activation)
        t = self.activation(apply_mlp(self.trunk, y, self.activation))
        return _combine(b, t, self.bias)

    def _check(self, a, y):
        check_sensors(a, self.sensors, self.in_channels)
        check_coordinates(y, self.dim)


class PODDeepONet(eqx.Module):
    """Deep operator network with a fixed trunk: the principal components of the output functions.

        G(a)(y_j) = ū(y_j) + Σ_k b_k(a) φ_k(y_j)

    Only the branch is learned, so there is less to train; the error is at least that of the
    components themselves. The output lives on the points of the training data.

    **Arguments:**

    - `modes`, `mean`: φ `(terms, *points, out_channels)` and ū `(*points, out_channels)`, from
        `pod_modes`; not trained.
    - `in_channels`: number of components of the input function.
    - `sensors`: number of points at which the input function is given, in any arrangement.
    - `width`, `depth`: hidden channels and hidden layers of the branch.
    - `activation`: of the hidden layers.
    - `key`: PRNG key of the weights.

    Called as `model(a)`: one input function `(*grid, in_channels)`; returns the output function on
    the points of the modes, `(*points, out_channels)`.

    **Raises:** `ValueError` for another number of sensors or channels.

    **Source:** Lu et al., Comput. Methods Appl. Mech. Eng. 393 (2022), section 3.1.3.

    ```python
    modes, mean = jsci.operators.pod_modes(outputs, 16)
    model = jsci.operators.PODDeepONet(
        modes, mean, in_channels=1, sensors=64, width=64, depth=2, key=key
    )
    ```
    """

    branch: list[Pointwise]
    modes: Float[Array, "terms *points out_channels"]
    mean: Float[Array, "*points out_channels"]
    in_channels: int = eqx.field(static=True)
    sensors: int = eqx.field(static=True)
    activation: Callable = eqx.field(static=True)

    def __init__(
        self,
        modes: Float[Array, "terms *points out_channels"],
        mean: Float[Array, "*points out_channels"],
        *,
        in_channels: int,
        sensors: int,
        width: int,
        depth: int,
        activation: Callable = gelu,
        key: PRNGKeyArray,
    ):
        if min(in_channels, sensors, width, depth) < 1:
            raise ValueError(
                "PODDeepONet needs in_channels, sensors, width and depth >= 1; got "
                f"{in_channels}, {sensors}, {width} and {depth}."
            )
        self.branch = _layers([sensors * in_channels, *[width] * depth, len(modes)], key)
        self.modes, self.mean = modes, mean
        self.in_channels, self.sensors, self.activation = in_channels, sensors, activation

    def __call__(
        self, a: Float[Array, "*grid in_channels"]
    ) -> Float[Array, "*points out_channels"]:
        check_sensors(a, self.sensors, self.in_channels)
        modes, mean = jax.lax.stop_gradient((self.modes, self.mean))
        b = apply_mlp(self.branch, a.reshape(-1), self.activation)
        return mean + jnp.tensordot(b, modes, 1)


def pod_modes(
    outputs: Float[Array, "n *points out_channels"], terms: int
) -> tuple[Float[Array, "terms *points out_channels"], Float[Array, "*points out_channels"]]:
    """Principal components of functions on one grid, scaled by the spread of their coefficients.

        u ≈ ū + Σ_k c_k φ_k,   φ_k = σ_k v_k / √n

    from the singular value decomposition of the centred functions, so that the c_k of the training
    data have variance one and a branch network need not learn their scales.

    **Arguments:**

    - `outputs`: the training functions `(n, *points, out_channels)`.
    - `terms`: number of components, at most the number of functions and of values per function.

    **Returns:** φ `(terms, *points, out_channels)` and ū `(*points, out_channels)`.

    **Raises:** `ValueError` for more terms than components, or no values.

    ```python
    modes, mean = jsci.operators.pod_modes(outputs, 16)  # outputs: (n, 64, 1), modes: (16, 64, 1)
    ```
    """
    if outputs.size == 0:
        raise ValueError(f"pod_modes() needs functions with values; got shape {outputs.shape}.")
    flat = outputs.reshape(len(outputs), -1)
    if not 1 <= terms <= min(flat.shape):
        raise ValueError(
            f"{flat.shape[0]} functions of {flat.shape[1]} values have at most {min(flat.shape)} "
            f"principal components; got terms={terms}."
        )
    mean = jnp.mean(flat, 0)
    _, spread, rows = jnp.linalg.svd(flat - mean[None], full_matrices=False)
    modes = spread[:terms, None] * rows[:terms] / jnp.sqrt(len(flat))
    return modes.reshape(terms, *outputs.shape[1:]), mean.reshape(outputs.shape[1:])


class MIONet(eqx.Module):
    """Deep operator network of several input functions, whose branches are multiplied.

        G(a₁, ..., a_p)(y)_c = Σ_k b¹_kc(a₁) ... bᵖ_kc(a_p) t_k(y) + β_c

    **Arguments:**

    - `in_channels`, `sensors`: numbers of components and of points, one per input function.
    - `out_channels`: number of components of the output function.
    - `dim`: dimension of y.
    - `width`, `depth`, `terms`, `activation`: as in `DeepONet`, for all branches and the trunk.
    - `key`: PRNG key of the weights.

    Called as `model(inputs, y)`: `inputs` is a tuple with one array `(*grid, in_channels)` per
    input function, `y` one point `(dim,)` or many `(*points, dim)`. Returns `(*points,
    out_channels)`.

    **Raises:** `ValueError` for another number of inputs, sensors, channels or dimensions.

    **Source:** Jin, Meng and Lu, "MIONet", SIAM J. Sci. Comput. 44 (2022), equation 2.14.

    ```python
    model = jsci.operators.MIONet((1, 1), 1, sensors=(64, 32), dim=1, width=40, depth=2, key=key)
    u = model((a, a[::2]), y)  # a: (64, 1), y: (50, 1), u: (50, 1)
    ```
    """

    branches: list[list[Pointwise]]
    trunk: list[Pointwise]
    bias: Float[Array, " out_channels"]
    in_channels: tuple[int, ...] = eqx.field(static=True)
    sensors: tuple[int, ...] = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    activation: Callable = eqx.field(static=True)

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        *,
        sensors: Sequence[int],
        dim: int,
        width: int,
        depth: int,
        terms: int | None = None,
        activation: Callable = gelu,
        key: PRNGKeyArray,
    ):
        terms = width if terms is None else terms
        self.in_channels, self.sensors = tuple(in_channels), tuple(sensors)
        if len(self.in_channels) != len(self.sensors) or not self.sensors:
            raise ValueError(
                "MIONet needs in_channels and sensors of each input function, at least one; got "
                f"{self.in_channels} and {self.sensors}."
            )
        if min(*self.in_channels, *self.sensors, out_channels, dim, width, depth, terms) < 1:
            raise ValueError(
                "MIONet needs positive sizes; got in_channels, sensors, out_channels, dim, width, "
                f"depth and terms {self.in_channels}, {self.sensors}, {out_channels}, {dim}, "
                f"{width}, {depth} and {terms}."
            )
        keys = jax.random.split(key, len(self.sensors) + 1)
        hidden = [width] * depth
        self.branches = [
            _layers([m * c, *hidden, terms * out_channels], k)
            for m, c, k in zip(self.sensors, self.in_channels, keys[1:], strict=True)
        ]
        self.trunk = _layers([dim, *hidden, terms], keys[0])
        self.bias = jnp.zeros(out_channels)
        self.dim, self.activation = dim, activation

    def __call__(
        self, inputs: Sequence[Float[Array, "..."]], y: Float[Array, "*points dim"]
    ) -> Float[Array, "*points out_channels"]:
        if len(inputs) != len(self.sensors):
            raise ValueError(f"This MIONet reads {len(self.sensors)} functions, got {len(inputs)}.")
        for a, sensors, channels in zip(inputs, self.sensors, self.in_channels, strict=True):
            check_sensors(a, sensors, channels)
        check_coordinates(y, self.dim)
        outputs = (
            apply_mlp(branch, a.reshape(-1), self.activation)
            for branch, a in zip(self.branches, inputs, strict=True)
        )
        b = functools.reduce(jnp.multiply, outputs)
        t = self.activation(apply_mlp(self.trunk, y, self.activation))
        return _combine(b, t, self.bias)


def check_sensors(a, sensors: int, channels: int):
    """`ValueError` unless `a` is one function at this number of sensors."""
    if a.shape[-1] != channels or a.size != sensors * channels:
        raise ValueError(
            f"This network reads {sensors} sensors of {channels} channels, one sample of shape "
            f"(*grid, {channels}); got shape {a.shape}. The sensors are fixed: resample the input "
            "function, or build a network for this grid."
        )


def check_coordinates(y, dim: int):
    """`ValueError` unless `y` are points of this dimension."""
    if y.shape[-1] != dim:
        raise ValueError(
            f"This network's output is a function of {dim} coordinates: y has shape "
            f"(*points, {dim}); got {y.shape}."
        )


def _combine(b, t, bias):
    """Σ_k b_kc t_k + β_c, as a matrix-vector product for each c: `vmap` over functions that share
    their points turns it into one matrix product, without a transpose."""
    b = b.reshape(-1, bias.size)
    return jnp.stack([t @ b[:, c] + bias[c] for c in range(bias.size)], -1)


def _layers(sizes, key):
    return pointwise_mlp(sizes, iter(jax.random.split(key, len(sizes) - 1)))
