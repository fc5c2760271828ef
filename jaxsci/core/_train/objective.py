"""Named residuals as a loss for first-order methods and a residual vector for second-order ones."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh
from jaxtyping import Array, Float, PyTree

from .._gram.checks import check_params, example_of
from .._gram.dense import gram_of_terms
from .._gram.operator import diagonal_of_one
from .._run.program import as_pytree, compiled_call, program
from .._run.vmap import vmap
from .accumulation import sum_of_chunks, value_and_grad_of_sum
from .objective_checks import Checked, check_name, check_weight, sizes_of
from .weighted import Weighted, samples_of

# Numbers of a Jacobian that are made at once where they are only summed: 32 MiB.
_AT_ONCE = 2**22


class Objective(eqx.Module):
    """A weighted sum of mean squared residuals; made by `objective`.

    - `names`: the names of the terms.
    - `functions`: the residual `r(params, x)` of each term.
    - `weights`: the weight wₖ of each term.
    - `batch_size`, `mesh`: as in `objective`.
    - `sampled`: whether the samples represent a continuum, rather than a checked quadrature."""

    names: tuple[str, ...] = eqx.field(static=True)
    functions: tuple[Callable[..., Any], ...]
    weights: tuple[Any, ...]
    batch_size: int | None = eqx.field(static=True, default=None)
    mesh: Mesh | None = eqx.field(static=True, default=None)
    sampled: bool = eqx.field(static=True, default=True)

    def value(self, params: PyTree, batch: Mapping[str, PyTree]) -> Float[Array, ""]:
        """The loss Σₖ wₖ meanᵢ ‖rₖ(params, xᵢ)‖²."""
        return self.weighted(self.terms(params, batch))

    def weighted(self, terms: Mapping[str, Float[Array, ""]]) -> Float[Array, ""]:
        """Σₖ wₖ termsₖ."""
        named = zip(self.names, self.weights, strict=True)
        return jnp.stack([_scaled(w, terms[name]) for name, w in named]).sum()

    def terms(self, params: PyTree, batch: Mapping[str, PyTree]) -> dict[str, Float[Array, ""]]:
        """Each term's mean square, without its weight."""
        self._sizes(batch)  # checks the batch
        return self._mean_squares(self._raw(params, batch), batch)

    def value_and_grad(
        self, params: PyTree, batch: Mapping[str, PyTree]
    ) -> tuple[tuple[Float[Array, ""], dict[str, Float[Array, ""]]], PyTree]:
        """`((value, terms), gradient)`, in the memory of `batch_size` samples where it is given."""
        if self.batch_size is None:

            def loss(params):
                terms = self.terms(params, batch)
                return self.weighted(terms), terms

            return jax.value_and_grad(loss, has_aux=True)(params)
        divisors = self._divisors(batch)

        def square(r):
            return lambda params, x: jnp.sum(r(params, x) ** 2)

        sums = {
            name: value_and_grad_of_sum(
                square(Checked(name, r)), params, batch[name], self.batch_size, self.mesh
            )
            for name, r in zip(self.names, self.functions, strict=True)
        }
        terms = {name: total / divisors[name] for name, (total, _) in sums.items()}
        gradients = [
            jax.tree.map(functools.partial(_scaled, w / divisors[name]), sums[name][1])
            for name, w in zip(self.names, self.weights, strict=True)
        ]
        gradient = jax.tree.map(lambda *g: sum(g[1:], g[0]), *gradients)
        return (self.weighted(terms), terms), gradient

    def residuals(self, params: PyTree, batch: Mapping[str, PyTree]) -> dict[str, Array]:
        """Each term's residuals scaled by √(wₖ/nₖ), so that `value` is their sum of squares."""
        scales = self._scales(batch)
        return {name: _scaled(scales[name], r) for name, r in self._raw(params, batch).items()}

    def at(self, batch: Mapping[str, PyTree]) -> "BatchResiduals":
        """The residuals on one batch, with their Jacobian and tangent kernel."""
        self._sizes(batch)
        return BatchResiduals(self, {name: batch[name] for name in self.names})

    def reweighted(self, weights: Mapping[str, Any]) -> "Objective":
        """The same terms under other weights; arrays are allowed, so weights can be adapted."""
        terms = dict(zip(self.names, self.functions, strict=True))
        new = objective(terms, weights, batch_size=self.batch_size, mesh=self.mesh)
        return dataclasses.replace(new, sampled=self.sampled)

    def traced(self, params: PyTree, batch: Mapping[str, PyTree]) -> "Objective":
        """The same with each term as its `program`: another one of equal programs compiles once."""
        named = zip(self.names, self.functions, strict=True)
        terms = [program(r, params, example_of(samples_of(batch[name]))) for name, r in named]
        return dataclasses.replace(self, functions=tuple(map(as_pytree, terms)))

    def _map(self, f):
        """`f(params, x)` of one sample over a batch."""
        return vmap(f, (None, 0), batch_size=self.batch_size, mesh=self.mesh)

    def _raw(self, params, batch):
        return {
            name: self._map(Checked(name, r, w))(params, batch[name])
            for name, r, w in zip(self.names, self.functions, self.weights, strict=True)
        }

    def _mean_squares(self, raw, batch):
        divisors = self._divisors(batch)
        return {name: jnp.sum(r**2) / divisors[name] for name, r in raw.items()}

    def _sizes(self, batch):
        return sizes_of(self.names, batch)

    def _divisors(self, batch):
        """Divisors that turn sums into means; weighted samples are only summed."""
        sizes = self._sizes(batch)
        return {k: 1 if isinstance(batch[k], Weighted) else size for k, size in sizes.items()}

    def _scales(self, batch):
        divisors = self._divisors(batch)
        return {
            name: jnp.sqrt(w / divisors[name])
            for name, w in zip(self.names, self.weights, strict=True)
        }


class BatchResiduals(eqx.Module):
    """Residuals on one batch: `residuals(params)`, and J and J Jᵀ of the flat residual vector.

    - `objective`: an `Objective`, whose `.at(batch)` makes this.
    - `batch`: name of each term to its samples."""

    objective: Objective
    batch: Mapping[str, PyTree]

    def __call__(self, params: PyTree) -> dict[str, Array]:
        """The scaled residuals, a dict of arrays."""
        return self.objective.residuals(params, self.batch)

    def unscaled(self, params: PyTree) -> dict[str, Array]:
        """The residuals as the terms return them, one row a sample."""
        return self.objective._raw(params, self.batch)

    def value(self, params: PyTree) -> Float[Array, ""]:
        """The loss."""
        return self.objective.value(params, self.batch)

    def vector(self, params: PyTree) -> Float[Array, " n"]:
        """The scaled residuals as one vector, in the order of `ravel_pytree`."""
        return ravel_pytree(self(params))[0]

    def vector_and_terms(
        self, params: PyTree
    ) -> tuple[Float[Array, " n"], dict[str, Float[Array, ""]]]:
        """`vector(params)`, and each term's mean square without its weight."""
        raw = self.objective._raw(params, self.batch)
        scales = self.objective._scales(self.batch)
        vector = jnp.concatenate([_scaled(scales[name], raw[name]).reshape(-1) for name in raw])
        return vector, self.objective._mean_squares(raw, self.batch)

    def jacobian(self, params: PyTree) -> tuple[Float[Array, " n"], Float[Array, "n p"]]:
        """The residual vector r and its Jacobian J in the order of `ravel_pytree(params)`.

        For each sample one reverse pass per residual, or one forward pass per parameter where there
        are fewer of these; never one per residual over the whole batch.
        """
        return self.jacobian_and_terms(params)[:2]

    def jacobian_and_terms(
        self, params: PyTree
    ) -> tuple[Float[Array, " n"], Float[Array, "n p"], dict[str, Float[Array, ""]]]:
        """`jacobian(params)`, and each term's mean square without its weight."""
        check_params(params)
        flat = ravel_pytree(params)[0]
        scales = self.objective._scales(self.batch)

        def rows(name, r):
            of_sample = _rows_of_sample(Checked(name, r), params)
            y, jacobian = self.objective._map(of_sample)(flat, self.batch[name])
            return y.reshape(-1), jacobian.reshape(-1, flat.size)

        named = zip(self.objective.names, self.objective.functions, strict=True)
        blocks = {name: rows(name, r) for name, r in named}
        vector, jacobian = (
            jnp.concatenate([_scaled(scales[name], block[i]) for name, block in blocks.items()])
            for i in range(2)
        )
        raw = {name: block[0] for name, block in blocks.items()}
        return vector, jacobian, self.objective._mean_squares(raw, self.batch)

    def normal(self, params: PyTree) -> dict[str, Float[Array, "p p"]]:
        """Each term's part of Jᵀ J, of which J never has more than `batch_size` samples."""
        return self._sums_over_rows(lambda jacobian: jacobian.T @ jacobian, params)

    def squares_of_columns(self, params: PyTree) -> Float[Array, " p"]:
        """diag(Jᵀ J), without forming J."""
        sums = self._sums_over_rows(lambda jacobian: jnp.sum(jacobian**2, axis=0), params)
        return jnp.stack(list(sums.values())).sum(axis=0)

    def _sums_over_rows(self, f, params):
        """The sum of `f(rows of J)` over chunks of samples, for each term, with its weight."""
        check_params(params)
        flat, o = ravel_pytree(params)[0], self.objective
        scales = o._scales(self.batch)
        batch_size = o.batch_size or max(1, _AT_ONCE // flat.size)

        def of_term(name, r):
            of_sample = _rows_of_sample(Checked(name, r), params)

            def of_chunk(x):
                return f(jax.vmap(of_sample, (None, 0))(flat, x)[1].reshape(-1, flat.size))

            sums = sum_of_chunks(of_chunk, self.batch[name], batch_size)
            return _scaled(scales[name] ** 2, sums)

        return {name: of_term(name, r) for name, r in zip(o.names, o.functions, strict=True)}

    def transpose(self, params: PyTree, b: Mapping[str, Array]) -> Float[Array, " p"]:
        """Jᵀ b, with b in parts of the terms, in the memory of `batch_size` samples."""
        o, sizes = self.objective, self.objective._sizes(self.batch)
        scales = o._scales(self.batch)

        def of_term(name, r, w):
            r = Checked(name, r, w)
            samples = self.batch[name], b[name].reshape(sizes[name], -1)

            def product(params, sample):
                return scales[name] * jnp.vdot(r(params, sample[0]), sample[1])

            batch_size = o.batch_size or sizes[name]
            return value_and_grad_of_sum(product, params, samples, batch_size)[1]

        parts = map(of_term, o.names, o.functions, o.weights)
        return ravel_pytree(jax.tree.map(lambda *g: sum(g[1:], g[0]), *parts))[0]

    def traces(self, params: PyTree) -> dict[str, Float[Array, ""]]:
        """Each term's mean square gradient, meanᵢ ‖∂rₖ(xᵢ)/∂params‖², without its weight.

        It is the trace of the term's tangent kernel over its number of samples: the rate at which
        the term learns. The diagonal of J Jᵀ is computed as by `gram_operator`, without forming J.
        """
        check_params(params)
        o, divisors = self.objective, self.objective._divisors(self.batch)

        def trace(name, r):
            def of_sample(params, x):
                return jnp.sum(diagonal_of_one(Checked(name, r), params, x))

            def of_batch(params, x):
                return jnp.sum(o._map(of_sample)(params, x)) / divisors[name]

            return compiled_call(of_batch, params, self.batch[name])

        return {name: trace(name, r) for name, r in zip(o.names, o.functions, strict=True)}

    def gram(self, params: PyTree) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
        """The residual vector r and its tangent kernel J Jᵀ, without forming J where possible."""
        return self.vector(params), self.kernel(params)

    def kernel(self, params: PyTree) -> Float[Array, "n n"]:
        """The tangent kernel J Jᵀ of the residual vector, without forming J where possible."""
        named = zip(self.objective.names, self.objective.functions, strict=True)
        terms = {name: Checked(name, r) for name, r in named}
        scales = self.objective._scales(self.batch)
        mesh = self.objective.mesh
        return gram_of_terms(terms, params, self.batch, scales, mesh=mesh)


def _value_and_jacobian(f, x: Float[Array, " p"]) -> tuple[Float[Array, " n"], Float[Array, "n p"]]:
    """f(x) and its Jacobian, in the mode that takes fewer passes."""
    if jax.eval_shape(f, x).size > x.size:
        try:
            y, pushforward = jax.linearize(f, x)
            return y, jax.vmap(pushforward, out_axes=1)(jnp.eye(x.size, dtype=x.dtype))
        except TypeError:  # a jax.custom_vjp has no forward mode
            pass
    y, pullback = jax.vjp(f, x)
    return y, jax.vmap(pullback)(jnp.eye(y.size, dtype=y.dtype))[0]


def objective(
    terms: Mapping[str, Callable[..., Any]],
    weights: Mapping[str, Any] | None = None,
    *,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
) -> Objective:
    """Combine named residuals into one objective for every optimiser.

        value(params, batch) = Σₖ wₖ meanᵢ ‖rₖ(params, xₖᵢ)‖²

    If samples have weights vᵢ of their own, like the points of a quadrature, give `batch[name] =
    Weighted(x, v)`: the term is then Σᵢ vᵢ ‖rₖ(params, xᵢ)‖².

    **Arguments:**

    - `terms`: name to residual `r(params, x)` of ONE sample, returning a real array of any shape.
        The objective maps it over the leading axis of `batch[name]`, a pytree.
    - `weights`: name to a weight, a number; 1 where absent. Zero leaves the term out of the loss,
        with its slopes in the parameters, so that mixed derivatives by weight and parameters are
        zero there too: let a weight that is learned begin at a small number.
    - `batch_size`, `mesh`: as in `vmap`: samples computed at once, and devices over which to split
        them. If samples differ in cost, as with an iterative solver inside, `batch_size=1` keeps
        fast ones from waiting for slow ones. The kernel J Jᵀ of second-order methods uses the mesh.
        `batch_size` bounds the memory of `.value_and_grad`, which `fit` trains with, and of Jᵀ J in
        second-order steps with fewer parameters than residuals; `jax.grad` of `.value` keeps what
        all samples computed.

    **Returns:** an `Objective` with `.value(params, batch)` for first-order and
    `.residuals(params, batch)` for second-order methods.

    **Raises:** `ValueError` for no terms, a weight without a term, a negative weight, a name
    reserved by the history of `fit` ("loss", "validation_..."), a batch without an entry for a term
    or with leading axes that differ, an empty residual. `TypeError` for a name that is not a
    string, a batch that is not a dict, or a complex residual: stack its real and imaginary parts.

    ```python
    loss = jsci.objective({"pde": jsci.residual(burgers, f), "ic": ic}, weights={"ic": 10.0})
    loss.value(params, {"pde": points, "ic": initial_points})
    ```
    """
    if not terms:
        raise ValueError("objective() needs at least one term, e.g. {'pde': residual(op, f)}.")
    weights = dict(weights or {})
    unknown = sorted(set(weights) - set(terms), key=str)
    if unknown:
        raise ValueError(
            f"Weights for unknown terms {unknown}; the terms are {sorted(terms, key=str)}."
        )
    for name, r in terms.items():
        check_name(name)
        if not callable(r):
            raise TypeError(f"Term {name!r} is a {type(r).__name__}, not a function r(params, x).")
        check_weight(name, weights.get(name, 1.0))
    names = tuple(sorted(terms))
    return Objective(
        names=names,
        functions=tuple(as_pytree(terms[name]) for name in names),
        weights=tuple(weights.get(name, 1.0) for name in names),
        batch_size=batch_size,
        mesh=mesh,
    )


def _scaled(weight: Any, values: Array) -> Array:
    """`weight * values`: zero for a weight of zero, which NaN times zero is not."""
    left_out = (jnp.asarray(weight) == 0) & ~jnp.isfinite(values)
    return weight * jnp.where(left_out, 0, values)  # the slope in the weight stays


def _rows_of_sample(r: Callable, params: PyTree) -> Callable:
    """`(flat, x) -> (r, J)` of one sample."""
    unravel = ravel_pytree(params)[1]
    return lambda flat, x: _value_and_jacobian(lambda w: r(unravel(w), x).reshape(-1), flat)
