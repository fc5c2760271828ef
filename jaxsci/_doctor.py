"""One small known answer per pillar: does this installation compute correctly?"""

import importlib.util
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import analysis, atoms, bayes, dft, ntk, operators, pde
from .core import pure, residual


class Finding(NamedTuple):
    """The verdict on one pillar: `error` is relative, None where nothing was computed."""

    pillar: str
    what: str
    error: float | None
    tolerance: float
    seconds: float
    reason: str = ""

    @property
    def ok(self) -> bool:
        """A missing extra is not an error; a wrong or missing number is."""
        if self.error is None:
            return self.reason.startswith("skipped")
        return self.error <= self.tolerance

    def __str__(self) -> str:
        if self.error is None:
            verdict = self.reason
        else:
            verdict = f"{'right' if self.ok else 'WRONG'}, relative error {self.error:.1e}"
        return f"{self.pillar:<10} {verdict}: {self.what} ({self.seconds:.1f} s)"


class Check(NamedTuple):
    """`answers()` gives the computed and the known answer."""

    pillar: str
    what: str
    answers: Callable[[], tuple]
    tolerance: float
    needs: str | None = None


def examine(check: Check) -> Finding:
    """Run one check; whatever it raises becomes part of the finding."""
    start = time.perf_counter()
    error, reason = None, ""
    if check.needs and importlib.util.find_spec(check.needs) is None:
        reason = f"skipped, {check.needs} is missing (pip install 'jaxsci[{check.pillar}]')"
    else:
        try:
            got, known = (np.asarray(answer) for answer in check.answers())
            error = float(np.abs(got - known).max() / np.abs(known).max())
        except Exception as caught:  # a broken installation may raise anything
            reason = f"FAILED, {type(caught).__name__}: {caught}"
    seconds = time.perf_counter() - start
    return Finding(check.pillar, check.what, error, check.tolerance, seconds, reason)


def conclusion(findings: Sequence[Finding]) -> str:
    """The last line: all pillars right, or which are not."""
    wrong = [finding.pillar for finding in findings if not finding.ok]
    skipped = [finding.pillar for finding in findings if finding.ok and finding.error is None]
    if wrong:
        return f"NOT right: {', '.join(wrong)}. Do not trust this installation."
    if skipped:
        return f"All pillars that could be checked are right; skipped: {', '.join(skipped)}."
    return f"All {len(findings)} pillars are right."


def _heat():
    """u = exp(-at) sin πx has the residual u_t - D u_xx = (Dπ² - a) u, zero at a = Dπ²."""
    diffusivity, x = 0.1, jnp.array([[0.3, 0.2], [0.5, 0.7], [0.9, 0.4]])
    r = residual(pde.heat(diffusivity), lambda a, x: jnp.exp(-a * x[1]) * jnp.sin(jnp.pi * x[0]))
    rates = jnp.array([diffusivity * math.pi**2, 0.5])
    got = jax.jit(jax.vmap(jax.vmap(r, (None, 0)), (0, None)))(rates, x)
    u = np.exp(-0.5 * np.asarray(x[:, 1])) * np.sin(np.pi * np.asarray(x[:, 0]))
    return got, np.stack([np.zeros(3), (diffusivity * math.pi**2 - 0.5) * u])


def _water():
    """The published Hartree-Fock energy of the Crawford group's programming projects."""
    atoms = [
        ("O", (0.0, -0.143225816552, 0.0)),
        ("H", (1.638036840407, 1.136548822547, 0.0)),
        ("H", (-1.638036840407, 1.136548822547, 0.0)),
    ]
    water = dft.molecule(atoms, "sto-3g", unit="bohr", grid=0)
    return dft.scf(water, dft.xc("hf")).energy, -74.942079928192


def _fno():
    """Two Fourier layers with given weights, against NumPy's FFT."""
    model = operators.FNO(1, 1, width=3, modes=4, depth=2, key=jax.random.key(0))
    f, params = pure(model, dtype=jnp.float64)
    params = jax.tree.map(lambda w: jnp.cos(jnp.arange(1.0, w.size + 1)).reshape(w.shape), params)
    a = jnp.sin(2 * jnp.pi * jnp.arange(16) / 16)[:, None]
    return jax.jit(f)(params, a), _fno_by_numpy(jax.tree.map(np.asarray, params), np.asarray(a))


def _fno_by_numpy(p, a):
    n, angle = len(a), 2 * np.pi * np.arange(len(a))[:, None] / len(a)

    def gelu(v):
        return v * (1 + np.vectorize(math.erf)(v / math.sqrt(2))) / 2

    def affine(layer, v):
        return v @ layer.weight + layer.bias

    def convolve(layer, v):
        weight = layer.weight[..., 0, :] + 1j * layer.weight[..., 1, :]
        kept = np.einsum("kc,kcd->kd", np.fft.rfft(v, axis=0)[: len(weight)], weight)
        return np.fft.irfft(kept, n, axis=0)

    v = affine(p.lift, np.concatenate([a, np.cos(angle), np.sin(angle)], -1))
    v = gelu(convolve(p.convolutions[0], v) + affine(p.skips[0], v))
    v = convolve(p.convolutions[1], v) + affine(p.skips[1], v)
    return affine(p.project[1], gelu(affine(p.project[0], v)))


def _kernel():
    """f = v·tanh(W x): Θ = Σ tanh tanh' + Σ v² sech² sech'² (x·x')."""
    keys = jax.random.split(jax.random.key(0), 3)
    params = {"w": jax.random.normal(keys[0], (5, 2)), "v": jax.random.normal(keys[1], (5,))}
    x = jax.random.normal(keys[2], (4, 2))
    got = ntk.kernel(lambda p, x: p["v"] @ jnp.tanh(p["w"] @ x), params, x)
    w, v, x = (np.asarray(array) for array in (params["w"], params["v"], x))
    h = np.tanh(x @ w.T)
    slope = v * (1 - h**2)
    return got, h @ h.T + (slope @ slope.T) * (x @ x.T)


def _silicon():
    """Stillinger and Weber's diamond: -2 ε per atom where bonds are 2^(1/6) σ long."""
    energy, params = atoms.stillinger_weber()
    half = 2 / math.sqrt(3) * 2 ** (1 / 6) * float(params["sigma"])
    cell = half * (1 - np.eye(3))
    crystal = atoms.Atoms([[0.0] * 3, [half / 2] * 3], ["Si", "Si"], cell)
    graph = atoms.neighbours(crystal, energy.cutoff, angle_cutoff=energy.cutoff)
    return jax.jit(energy)(params, crystal, graph), -4 * float(params["epsilon"])


def _level():
    """A level that stays, of variance p, seen twice with noise r: y ~ N(0, p 11ᵀ + r 1)."""
    p, r, y = 2.0, 0.5, np.array([0.3, -0.8])
    level = bayes.kalman(
        lambda _, x, dt: x,
        lambda _, x: x[0],
        process_noise=lambda _, dt: jnp.zeros((1, 1)),
        observation_noise=lambda _: jnp.array(r),
    )
    first = level.init(jnp.zeros(1), p * jnp.eye(1))
    got = bayes.filter(level.step, {}, first, jnp.asarray(y)).log_density
    covariance = p + r * np.eye(2)
    square = y @ np.linalg.solve(covariance, y)
    return got, -0.5 * (square + math.log(np.linalg.det(covariance)) + 2 * math.log(2 * math.pi))


def _slope():
    """The integrals of |∇u|² over a unit square, for u = x and u = 3x + 4y."""
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    laplacian = analysis.mesh_laplacian(square, np.array([[0, 1, 2], [0, 2, 3]]))
    fields = (square[:, 0], square @ np.array([3.0, 4.0]))
    return [u @ laplacian(u) for u in fields], [1.0, 25.0]


CHECKS = (
    Check("pde", "residual of the heat equation, in closed form", _heat, 1e-13),
    Check("operators", "FNO of given weights, by NumPy's FFT", _fno, 1e-12),
    Check("ntk", "tangent kernel of one hidden layer, in closed form", _kernel, 1e-13),
    Check("atoms", "Stillinger-Weber energy of silicon, in closed form", _silicon, 1e-9),
    Check("bayes", "Kalman filter of a level, in closed form", _level, 1e-13),
    Check("analysis", "Laplacian of a square, in closed form", _slope, 1e-9),
    Check("dft", "Hartree-Fock energy of H2O in STO-3G, published", _water, 1e-10, "pyscf"),
)
