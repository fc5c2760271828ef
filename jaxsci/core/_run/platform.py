"""Checks that the backend computes correct numbers, in the precision that is needed."""

import warnings
from collections.abc import Callable
from importlib import metadata
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# jax-ml/jax#39103: wrong rows, silently, in fused multiply-reduce programs on CPU.
WRONG_JAXLIB = ("0.10.2",)
HIGHEST_LINE = 'jax.config.update("jax_default_matmul_precision", "highest")'


class PlatformReport(NamedTuple):
    """What `check_platform` found.

    - `jaxlib`: the version of jaxlib.
    - `device`: the kind of the device.
    - `x64`: whether float64 is enabled.
    - `failures`: one entry per program with a wrong result, with its relative error.
    - `product_error`: the relative error of a float32 matrix product as JAX is configured: about
        1e-7 on a CPU, 1e-3 on a GPU that rounds the factors to TF32.
    """

    jaxlib: str
    device: str
    x64: bool
    failures: tuple[str, ...]
    product_error: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def rounds_products(self) -> bool:
        """Whether float32 matrix products have less than float32 precision."""
        return self.product_error > 1e-5


def _x64() -> bool:
    return jnp.result_type(float) == jnp.float64


def _norm_of_rows(rows, matrix):
    return jax.vmap(lambda r: jnp.sum((matrix @ r) ** 2))(rows)


def _quadratic_form(rows, matrix):
    return jax.vmap(lambda r: r @ matrix @ r)(rows)


def _long_gram(rows, _):
    return rows.T @ rows


# name -> (program in JAX, the same in NumPy)
_PROGRAMS: dict[str, tuple[Callable, Callable]] = {
    "vmap(sum((M r)²))": (_norm_of_rows, lambda r, m: ((r @ m.T) ** 2).sum(-1)),
    "vmap(r·M r)": (_quadratic_form, lambda r, m: ((r @ m) * r).sum(-1)),
    "RᵀR": (_long_gram, lambda r, _: r.T @ r),
}


def check_platform(*, throw: bool = False) -> PlatformReport:
    """Run the programs that some XLA releases are known to miscompile, against NumPy.

    On jaxlib 0.10.2, `jit(vmap(lambda r: sum((M @ r)**2)))` on (20000, 3) rows silently returns
    thousands of wrong rows on CPU. Takes a fraction of a second. The programs run at the highest
    matrix-product precision, so that the default rounding of a GPU is not reported as a failure;
    `.rounds_products` tells whether it rounds.

    **Arguments:**

    - `throw`: raise instead of reporting.

    **Returns:** a `PlatformReport` with `.ok` and the names of the programs that failed.

    **Raises:** `RuntimeError` if `throw` and any program is wrong.

    ```python
    report = jsci.check_platform()
    assert report.ok, report.failures
    ```
    """
    dtypes = (np.float32, np.float64) if _x64() else (np.float32,)
    rng = np.random.default_rng(0)
    failures = []
    for dtype in dtypes:
        # jaxlib 0.10.2 goes wrong beyond 16384 rows in float64 and 32768 in float32.
        rows = rng.standard_normal((40_000 if dtype is np.float32 else 20_000, 3)).astype(dtype)
        matrix = rng.standard_normal((3, 3)).astype(dtype)
        for name, (program, reference) in _PROGRAMS.items():
            with jax.default_matmul_precision("highest"):
                got = np.asarray(jax.jit(program)(rows, matrix))
            want = reference(rows.astype(np.float64), matrix.astype(np.float64))
            # The largest entry sets the scale: a wrong row is wrong by order one.
            error = np.abs(got - want).max() / np.abs(want).max()
            if not error < 1e3 * np.finfo(dtype).eps:
                failures.append(f"{name} in {np.dtype(dtype).name}: relative error {error:.1e}")
    report = PlatformReport(
        jaxlib=metadata.version("jaxlib"),
        device=jax.devices()[0].device_kind,
        x64=_x64(),
        failures=tuple(failures),
        product_error=_product_error(rng.standard_normal((256, 256)).astype(np.float32)),
    )
    if throw and not report.ok:
        raise RuntimeError(
            f"jaxlib {report.jaxlib} on {report.device} computes wrong numbers: "
            f"{'; '.join(failures)}. Install another release, e.g. `pip install 'jax!=0.10.2'`."
        )
    return report


def _product_error(factor) -> float:
    exact = factor.astype(np.float64) @ factor
    return float(np.abs(np.asarray(jnp.dot(factor, factor)) - exact).max() / np.abs(exact).max())


def require_x64(what: str = "this computation") -> None:
    """Raise unless float64 is switched on, naming the line that does it.

    **Arguments:**

    - `what`: the subject of the message.

    **Raises:** `ValueError` if `jax_enable_x64` is off.

    ```python
    jsci.require_x64("my_solver()")
    ```
    """
    if not _x64():
        raise ValueError(
            f"{what} needs float64, and JAX is in float32 mode. Put this line first in your "
            'program: jax.config.update("jax_enable_x64", True)'
        )


def warn_if_known_wrong(version: str) -> None:
    """Warn when `version` of jaxlib is known to compute wrong numbers (called on import)."""
    if version in WRONG_JAXLIB:
        warnings.warn(
            f"jaxlib {version} silently computes wrong numbers on CPU (jax-ml/jax#39103). "
            "Install another release: `pip install 'jax!=0.10.2'`. "
            "jaxsci.check_platform() shows which programs are affected.",
            stacklevel=3,
        )
