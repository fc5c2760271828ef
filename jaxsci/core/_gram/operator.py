"""J Jᵀ without forming it: a Lineax operator with products, diagonal, trace and eigenpairs."""

import functools
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._run.program import as_pytree, program
from .._run.vmap import vmap
from .checks import check_examples, check_params, example_of, output_of_one
from .dense import gram, gram_of_terms


class Eigenpairs(NamedTuple):
    """Leading eigenvalues in descending order, their vectors as rows, and ‖K v - λ v‖ for each."""

    values: Float[Array, " k"]
    vectors: Float[Array, "k n"]
    residuals: Float[Array, " k"]


class LowRank(NamedTuple):
    """K ≈ Vᵀ diag(λ) V: eigenvalues λ ≥ 0 in descending order, their vectors as rows."""

    values: Float[Array, " k"]
    vectors: Float[Array, "k n"]


class GramOperator(lx.AbstractLinearOperator):
    """K = J Jᵀ of `f(params, x)` over a batch, matrix-free; made by `gram_operator`.

    Vectors are pytrees like the stacked outputs of `f`. The operator is tagged as symmetric and
    positive semidefinite for Lineax; a sum with a damping needs the tag again for `lineax.CG`.
    """

    f: Callable
    params: PyTree[Array]
    x: PyTree[Array]
    batch_size: int | None = eqx.field(static=True)

    @eqx.filter_jit
    def mv(self, vector: PyTree[Array]) -> PyTree[Array]:
        """K v: one backward and one forward pass over the batch."""
        return self.push(self.pull(vector))

    @eqx.filter_jit
    def pull(self, vector: PyTree[Array]) -> PyTree[Array]:
        """Jᵀ v, a pytree like the parameters."""

        if self.batch_size is None:
            return jax.vjp(self._outputs, self.params)[1](vector)[0]

        def chunk(total, examples):
            x, v = examples
            outputs = jax.vmap(self.f, (None, 0))
            (part,) = jax.vjp(lambda p: outputs(p, x), self.params)[1](v)
            return jax.tree.map(jnp.add, total, part), None

        n, size = jax.tree.leaves(self.x)[0].shape[0], self.batch_size
        whole = n - n % size
        chunks = jax.tree.map(
            lambda a: a[:whole].reshape(whole // size, size, *a.shape[1:]), (self.x, vector)
        )
        zero = jax.tree.map(jnp.zeros_like, self.params)
        total, _ = jax.lax.scan(chunk, zero, chunks)
        if whole < n:
            total, _ = chunk(total, jax.tree.map(lambda a: a[whole:], (self.x, vector)))
        return total

    @eqx.filter_jit
    def push(self, tangent: PyTree[Array]) -> PyTree[Array]:
        """J t, a pytree like the stacked outputs."""

        def one(x):
            return jax.jvp(lambda p: self.f(p, x), (self.params,), (tangent,))[1]

        return vmap(one, batch_size=self.batch_size)(self.x)

    @eqx.filter_jit
    def diagonal(self) -> PyTree[Array]:
        """The diagonal of K, ‖∂f_a(xᵢ)/∂θ‖², a pytree like the stacked outputs."""

        one = functools.partial(diagonal_of_one, self.f, self.params)
        return vmap(one, batch_size=self.batch_size)(self.x)

    def trace(self) -> Float[Array, ""]:
        """The exact trace, the sum of the diagonal."""
        return jax.tree.reduce(jnp.add, jax.tree.map(jnp.sum, self.diagonal()))

    def hutchinson_trace(
        self, key: PRNGKeyArray, samples: int = 16
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """An unbiased estimate of the trace, with its standard error.

        The mean of zᵀ K z = ‖Jᵀ z‖² over vectors z of random signs, at one backward pass over the
        batch for each. Prefer `trace` if one example has few outputs: it is exact at a similar
        cost.

        **Arguments:**

        - `key`: PRNG key of the signs.
        - `samples`: number of vectors, at least 2.

        **Returns:** `(estimate, standard error)`.
        """
        if samples < 2:
            raise ValueError(f"hutchinson_trace() needs at least 2 samples, got {samples}.")

        def estimate(k):
            z = self._unravel(jax.random.rademacher(k, (self.in_size(),), self._dtype))
            return sum(jnp.sum(g**2) for g in jax.tree.leaves(self.pull(z)))

        values = jax.lax.map(estimate, jax.random.split(key, samples))
        return jnp.mean(values), jnp.std(values, ddof=1) / jnp.sqrt(samples)

    def block(self, row: Hashable, column: Hashable) -> PyTree[Float[Array, "n n ..."]]:
        """The dense block between two named outputs of `f`, laid out as by `gram`."""
        structure = jax.eval_shape(self.f, self.params, example_of(self.x))
        for name in (row, column):
            if not isinstance(structure, dict) or name not in structure:
                names = sorted(structure) if isinstance(structure, dict) else "no names"
                raise ValueError(
                    f"block({row!r}, {column!r}): the function's outputs have {names}. Return a "
                    "dict to name them."
                )

        def named(p, x):
            y = self.f(p, x)
            return {name: y[name] for name in {row, column}}

        kernel = gram(named, self.params, self.x, batch_size=self.batch_size)
        return kernel[row][column]

    def eigenpairs(self, k: int, *, key: PRNGKeyArray, steps: int | None = None) -> Eigenpairs:
        """The k largest eigenvalues and their vectors, by the Lanczos iteration.

        **Arguments:**

        - `k`: number of eigenpairs, at most the size of K.
        - `key`: for the random starting vector.
        - `steps`: products with K, by default 2 k + 20 and at most the size of K. The basis is
            reorthogonalised in full, which needs `steps` vectors of memory.

        **Returns:** `Eigenpairs`; its `residuals` bound the error of each eigenvalue. Check them:
        clustered eigenvalues need more steps. Of a degenerate eigenvalue only one vector is found.

        **Source:** Golub and Van Loan, "Matrix computations", section 10.3.
        """
        size = self.in_size()
        steps = min(size, 2 * k + 20) if steps is None else steps
        if not 1 <= k <= steps <= size:
            raise ValueError(
                f"eigenpairs() needs 1 <= k <= steps <= {size}, the size of the kernel; got k={k}, "
                f"steps={steps}."
            )
        return _lanczos(self._flat_mv, jax.random.normal(key, (size,), self._dtype), k, steps)

    def nystrom(self, rank: int, *, key: PRNGKeyArray) -> LowRank:
        """A low-rank sketch of K, positive semidefinite and never above K.

            K ≈ (K Ω) (Ωᵀ K Ω)⁻¹ (K Ω)ᵀ,   Ω random with orthonormal columns

        **Arguments:**

        - `rank`: columns of Ω, and products with K, between 1 and the size of K.
        - `key`: for Ω.

        **Returns:** a `LowRank`. Its error is of the order of the eigenvalues of K past `rank`;
        a rank of twice the effective dimension makes it a good preconditioner.

        **Source:** Frangella, Tropp and Udell, "Randomized Nyström preconditioning" (2023),
        algorithm 2.1, whose shift keeps the small factorisation finite.
        """
        size = self.in_size()
        if not 1 <= rank <= size:
            raise ValueError(
                f"nystrom() needs 1 <= rank <= {size}, the size of the kernel; got {rank}."
            )
        normal = jax.random.normal(key, (size, rank), self._dtype)
        return _nystrom(self._flat_mv, jnp.linalg.qr(normal)[0])

    def as_matrix(self) -> Float[Array, "n n"]:
        """The dense kernel, ordered as `ravel_pytree` of the stacked outputs."""
        return gram_of_terms({"f": self.f}, self.params, {"f": self.x})

    def transpose(self) -> "GramOperator":
        return self

    def in_structure(self) -> PyTree[jax.ShapeDtypeStruct]:
        return jax.eval_shape(self._outputs, self.params)

    def out_structure(self) -> PyTree[jax.ShapeDtypeStruct]:
        return self.in_structure()

    @property
    def _dtype(self):
        return jnp.result_type(*jax.tree.leaves(self.in_structure()))

    def _outputs(self, params):
        return jax.vmap(self.f, (None, 0))(params, self.x)

    def _unravel(self, flat):
        zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), self.in_structure())
        return ravel_pytree(zeros)[1](flat)

    def _flat_mv(self, flat):
        return ravel_pytree(self.mv(self._unravel(flat)))[0]


def gram_operator(
    f: Callable, params: PyTree, x: PyTree, *, batch_size: int | None = None
) -> GramOperator:
    """The tangent kernel K = J Jᵀ over a batch as a Lineax operator, without forming it.

    **Arguments:**

    - `f`: a function `f(params, x)` of ONE example, returning an array or a pytree of arrays.
    - `params`: pytree of real floating-point arrays.
    - `x`: pytree of examples with one leading axis.
    - `batch_size`: examples processed at once in a product; all by default.

    **Returns:** a `GramOperator`: `mv`, `diagonal()`, `trace()`, `hutchinson_trace(key)`,
    `block(row, column)`, `eigenpairs(k, key=key)`, `nystrom(rank, key=key)`, `as_matrix()`, and
    everything of Lineax. A product costs one backward and one forward pass over the batch; prefer
    the dense `gram` while its n² entries fit in memory.

    **Raises:** as `gram`.

    ```python
    K = jsci.gram_operator(f, params, x)
    damped = K + 1e-6 * lineax.IdentityLinearOperator(K.in_structure())
    damped = lineax.TaggedLinearOperator(damped, lineax.positive_semidefinite_tag)
    lineax.linear_solve(damped, y, lineax.CG(1e-6, 1e-6)).value
    ```
    """
    check_params(params)
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    x = check_examples("x", x)
    output_of_one(f, params, x, example_of(x))
    return GramOperator(
        as_pytree(program(f, params, example_of(x))),
        jax.tree.map(jnp.asarray, params),
        x,
        batch_size,
    )


def diagonal_of_one(f: Callable, params: PyTree, x: PyTree) -> PyTree[Array]:
    """‖∂f_a(x)/∂θ‖² of one example x, a pytree like its outputs, without the gradients."""
    y, unravel = ravel_pytree(f(params, x))
    single = jax.tree.map(lambda a: jnp.asarray(a)[None], x)
    kernel = gram(lambda p, x: ravel_pytree(f(p, x))[0], params, single, diagonal_axes=0)
    return unravel(kernel.reshape(y.shape))


def _lanczos(product: Callable, start: Array, k: int, steps: int) -> Eigenpairs:
    """Ritz pairs of a symmetric operator from `steps` products, with full reorthogonalisation."""
    noise = 10 * start.size**0.5 * jnp.finfo(start.dtype).eps

    def unit(v, basis):
        v = v - basis.T @ (basis @ v)
        return v / jnp.linalg.norm(v)

    def step(i, state):
        basis, images, scale = state
        image = product(basis[i])
        scale = jnp.maximum(scale, jnp.linalg.norm(image))
        rest = image - basis.T @ (basis @ image)
        # Once the basis spans an invariant subspace the remainder is rounding noise: stop there.
        exhausted = jnp.linalg.norm(rest) <= noise * scale
        following = unit(unit(rest, basis), basis)
        following = jnp.where(exhausted, 0, following)
        return basis.at[i + 1].set(following, mode="drop"), images.at[i].set(image), scale

    basis = jnp.zeros((steps, start.size), start.dtype).at[0].set(start / jnp.linalg.norm(start))
    initial = (basis, jnp.zeros_like(basis), jnp.zeros((), start.dtype))
    basis, images, _ = jax.lax.fori_loop(0, steps, step, initial)
    small = basis @ images.T
    values, coefficients = jnp.linalg.eigh((small + small.T) / 2)
    values, coefficients = values[::-1][:k], coefficients[:, ::-1][:, :k].T
    vectors = coefficients @ basis
    residuals = jnp.linalg.norm(coefficients @ images - values[:, None] * vectors, axis=1)
    return Eigenpairs(values, vectors, residuals)


def _nystrom(product: Callable, test: Array) -> LowRank:
    """The sketch from the images of `test` (n, rank), whose columns are orthonormal."""
    image = jax.lax.map(product, test.T).T
    scale = jnp.linalg.norm(image)
    # Rounding makes the core slightly indefinite. A kernel of zeros is scaled by one.
    shift = test.shape[0] ** 0.5 * jnp.finfo(test.dtype).eps * jnp.where(scale > 0, scale, 1)
    shifted = image + shift * test
    core = test.T @ shifted
    factor = jnp.linalg.cholesky((core + core.T) / 2)
    half = jax.scipy.linalg.solve_triangular(factor, shifted.T, lower=True)
    _, roots, vectors = jnp.linalg.svd(half, full_matrices=False)
    return LowRank(jnp.maximum(roots**2 - shift, 0), vectors)


@lx.is_symmetric.register(GramOperator)
@lx.is_positive_semidefinite.register(GramOperator)
def _(_):
    return True


@lx.is_diagonal.register(GramOperator)
@lx.is_tridiagonal.register(GramOperator)
@lx.is_lower_triangular.register(GramOperator)
@lx.is_upper_triangular.register(GramOperator)
@lx.has_unit_diagonal.register(GramOperator)
@lx.is_negative_semidefinite.register(GramOperator)
def _(_):
    return False


@lx.diagonal.register(GramOperator)
def _(operator):
    return ravel_pytree(operator.diagonal())[0]


@lx.conj.register(GramOperator)
def _(operator):
    return operator


@lx.materialise.register(GramOperator)
def _(operator):
    structure = operator.in_structure()
    if isinstance(structure, jax.ShapeDtypeStruct) and len(structure.shape) == 1:
        return lx.MatrixLinearOperator(operator.as_matrix(), lx.positive_semidefinite_tag)
    return operator


@lx.linearise.register(GramOperator)
def _(operator):
    """The forward pass is done once, and every product reuses it."""
    _, push = jax.linearize(operator._outputs, operator.params)
    pull = jax.linear_transpose(push, operator.params)
    tags: Any = (lx.symmetric_tag, lx.positive_semidefinite_tag)
    return lx.FunctionLinearOperator(lambda v: push(pull(v)[0]), operator.in_structure(), tags)
