"""Derivatives on the Fourier coefficients of real fields on a two-dimensional torus."""

import jax.numpy as jnp
import numpy as np


def wave_vectors(rows, columns, dtype):
    """∂x and ∂y on Fourier coefficients, |k|², and which modes the two-thirds rule keeps."""
    kx = np.fft.fftfreq(rows, 1 / rows)[:, None]
    ky = np.arange(columns // 2 + 1)[None]
    keep = (3 * np.abs(kx) < rows) & (3 * ky < columns)
    kind = jnp.result_type(dtype, jnp.complex64)
    to_x, to_y = (jnp.asarray(2j * np.pi * k * keep, kind) for k in (kx, ky))
    return to_x, to_y, (2 * np.pi) ** 2 * (kx**2 + ky**2), jnp.asarray(keep, dtype)
