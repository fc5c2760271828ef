"""The Kuramoto-Sivashinsky equation: chaos in one dimension."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ...numerics import etdrk4
from ._grf import grf
from ._sampling import as_field, check_settings, generate, stride


def kuramoto_sivashinsky(
    key: PRNGKeyArray,
    n: int,
    resolution: int,
    *,
    length: float = 32.0,
    time: float = 5.0,
    settle: float = 50.0,
    fine: int = 128,
    step: float = 0.1,
) -> tuple[Float[Array, "n x 1"], Float[Array, "n x 1"]]:
    """Pairs (u at some time on the attractor, u later) of the Kuramoto-Sivashinsky equation.

        u_t + u u_x + u_xx + u_xxxx = 0,   periodic on [0, L)

    Each sample starts from its own random field and first runs for `settle`, so that inputs are
    states of the chaotic attractor.

    **Arguments:**

    - `key`: PRNG key.
    - `n`: number of pairs.
    - `resolution`: number of points, at xᵢ = L i/resolution; it divides `fine`.
    - `length`: L; chaotic from about 22 on.
    - `time`: time from input to output. Nearby states separate by a factor e in about 10.
    - `settle`: time from the random field to the input.
    - `fine`: number of points of the grid on which the equation is solved; at least 2L.
    - `step`: longest time step.

    **Returns:** `(u, u later)`, both `(n, resolution, 1)`.

    **Raises:** `ValueError` if `resolution` does not divide `fine`, `fine` is too coarse, or a
    setting is not positive.

    **Source:** Kassam and Trefethen, SIAM J. Sci. Comput. 26 (2005), section 4.

    ```python
    a, u = jsci.operators.data.kuramoto_sivashinsky(jax.random.key(0), 100, 64)
    ```
    """
    if not (length > 0 and time > 0 and settle > 0 and step > 0 and fine >= 2 * length):
        raise ValueError(
            "kuramoto_sivashinsky() needs positive length, time, settle and step, and fine >= "
            f"2 length; got {length}, {time}, {settle}, {step} and fine={fine}."
        )
    every = stride("kuramoto_sivashinsky", resolution, fine)

    def run(u, time):
        return solve_kuramoto_sivashinsky(
            u, length=length, time=time, steps=int(np.ceil(time / step))
        )

    def sample(key):
        a = run(grf(key, fine, tau=5.0, modes=16), settle)
        return a[::every, None], run(a, time)[::every, None]

    return generate(sample, key, n, chunk=64)


def solve_kuramoto_sivashinsky(
    u0: Num[Array | np.ndarray, " x"], *, length: float, time: float, steps: int
) -> Float[Array, " x"]:
    """The solution of the Kuramoto-Sivashinsky equation on [0, L) at `time`, from `u0`.

    Fourier in space (two-thirds rule), fourth order in time. Differentiable.

    **Arguments:**

    - `u0`: initial values `(N,)` at xᵢ = L i/N.
    - `length`, `time`, `steps`: L, the final time and the number of equal time steps.

    **Returns:** the values at the same points.

    **Raises:** `ValueError` for values that are not real or not `(N,)`, or a length, time or number
    of steps that is not positive.

    ```python
    u0 = jnp.cos(2 * jnp.pi * jnp.arange(64) / 64)
    u = jsci.operators.data.solve_kuramoto_sivashinsky(u0, length=32.0, time=5.0, steps=50)
    ```
    """
    u0 = as_field("solve_kuramoto_sivashinsky", "u0", u0)
    if u0.ndim != 1:
        raise ValueError(
            f"solve_kuramoto_sivashinsky() takes u0 of shape (N,), got {u0.shape}: use jax.vmap."
        )
    check_settings(
        "solve_kuramoto_sivashinsky", positive={"length": length, "time": time, "steps": steps}
    )
    n = u0.shape[0]
    number = np.arange(n // 2 + 1)
    k = 2 * np.pi / length * number
    slope = jnp.asarray(1j * k * (3 * number < n), jnp.result_type(u0.dtype, jnp.complex64))

    def nonlinear(v):
        return -0.5 * slope * jnp.fft.rfft(jnp.fft.irfft(v, n) ** 2)

    v = etdrk4(k**2 - k**4, nonlinear, jnp.fft.rfft(u0), time=time, steps=steps)
    return jnp.fft.irfft(v, n)
