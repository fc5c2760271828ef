"""Two-dimensional incompressible flow: initial vorticity to vorticity at a later time."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ...core import as_data
from ...numerics import etdrk4
from ._fourier_waves import wave_vectors
from ._grf import grf
from ._sampling import as_field, check_settings, generate, stride


def navier_stokes(
    key: PRNGKeyArray,
    n: int,
    resolution: int,
    *,
    viscosity: float = 1e-3,
    amplitude: float = 5.0,
    time: float = 1.0,
    fine: int = 64,
    steps: int = 200,
) -> tuple[Float[Array, "n x y 1"], Float[Array, "n x y 1"]]:
    """Pairs (initial vorticity, vorticity at a later time) of a viscous flow on the torus.

        ω_t + v·∇ω = ν Δω + f,   v = (ψ_y, -ψ_x),   -Δψ = ω,   x in [0, 1)²
        f = 0.1 (sin 2π(x + y) + cos 2π(x + y))

    The initial vorticity is a Gaussian random field N(0, s²(-Δ + 49)^-2.5) of zero mean. At the
    default amplitude an eddy turns about once in unit time.

    **Arguments:**

    - `key`: PRNG key.
    - `n`: number of pairs.
    - `resolution`: number of points along each axis, at xᵢ = i/resolution; it divides `fine`.
    - `viscosity`: ν; below 1e-3 use a larger `fine`.
    - `amplitude`: root mean square of the initial vorticity.
    - `time`: time of the output.
    - `fine`: number of points along each axis of the grid on which the equation is solved.
    - `steps`: number of time steps.

    **Returns:** `(ω at 0, ω at time)`, both `(n, resolution, resolution, 1)`.

    **Raises:** `ValueError` if `resolution` does not divide `fine`, or a setting is not positive.

    **Source:** Li et al., "Fourier Neural Operator", ICLR 2021, section 5.3 and appendix A.3.3.

    ```python
    w0, w = jsci.operators.data.navier_stokes(jax.random.key(0), 20, 64)
    ```
    """
    if not (viscosity > 0 and amplitude > 0 and time > 0 and steps >= 1):
        raise ValueError(
            "navier_stokes() needs positive viscosity, amplitude, time and steps; got "
            f"{viscosity}, {amplitude}, {time} and {steps}."
        )
    step = stride("navier_stokes", resolution, fine)
    size = as_data(amplitude)
    x, y = np.meshgrid(*[np.arange(fine) / fine] * 2, indexing="ij")
    phase = 2 * np.pi * (x + y)
    forcing = 0.1 * (np.sin(phase) + np.cos(phase))

    def sample(key):
        w0 = size * grf(key, (fine, fine), alpha=2.5, tau=7.0, modes=min(20, fine // 3))
        force = jnp.asarray(forcing, w0.dtype)
        w = solve_navier_stokes(w0, force, viscosity=viscosity, time=time, steps=steps)
        return w0[::step, ::step, None], w[::step, ::step, None]

    return generate(sample, key, n, chunk=8)


def solve_navier_stokes(
    w0: Num[Array | np.ndarray, "x y"],
    forcing: Num[Array | np.ndarray, "x y"],
    *,
    viscosity: float,
    time: float,
    steps: int,
) -> Float[Array, "x y"]:
    """The vorticity at `time` of a flow on the unit torus with initial vorticity `w0`.

    Fourier in space (two-thirds rule), fourth order in time. Differentiable.

    **Arguments:**

    - `w0`, `forcing`: initial vorticity and its source, `(N, N)`, at xᵢ = i/N.
    - `viscosity`, `time`, `steps`: ν, the final time and the number of equal time steps.

    **Returns:** the vorticity at the same points. It is not finite if the steps are too long.

    **Raises:** `ValueError` if the two shapes differ or are not `(N, N)`, for complex values, a
    negative viscosity, or a time or number of steps that is not positive.

    ```python
    w0 = jsci.operators.data.grf(jax.random.key(0), (32, 32))
    w = jsci.operators.data.solve_navier_stokes(
        w0, jnp.zeros_like(w0), viscosity=1e-3, time=1.0, steps=200
    )
    ```
    """
    w0 = as_field("solve_navier_stokes", "w0", w0)
    forcing = as_field("solve_navier_stokes", "forcing", forcing)
    if w0.ndim != 2 or w0.shape != forcing.shape:
        raise ValueError(
            "solve_navier_stokes() takes a vorticity (N, N) and a forcing on the same grid, got "
            f"{w0.shape} and {forcing.shape}."
        )
    check_settings(
        "solve_navier_stokes",
        positive={"time": time, "steps": steps},
        others={"viscosity": viscosity},
    )
    rows, columns = w0.shape
    to_x, to_y, square, keep = wave_vectors(rows, columns, w0.dtype)
    inverse = np.divide(1, square, out=np.zeros_like(square), where=square > 0)
    stream = jnp.asarray(inverse, w0.dtype)
    source = jnp.fft.rfft2(forcing)

    def field(v):
        return jnp.fft.irfft2(v, (rows, columns))

    def nonlinear(w):
        psi = stream * w
        transport = field(to_y * psi) * field(to_x * w) - field(to_x * psi) * field(to_y * w)
        return source - jnp.fft.rfft2(transport) * keep

    w = etdrk4(-viscosity * square, nonlinear, jnp.fft.rfft2(w0), time=time, steps=steps)
    return field(w)
