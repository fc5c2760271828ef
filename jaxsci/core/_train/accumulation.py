"""Sums over samples and their gradients, taken chunk by chunk."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from .._run.vmap import automatic, fill_up


def value_and_grad_of_sum(f: Callable, params, samples, batch_size: int, mesh: Mesh | None = None):
    """Σᵢ f(params, xᵢ) and its gradient in `params`, in the memory of `batch_size` samples.

    Differentiating a loop would keep the intermediates of every iteration; here each iteration
    computes its own gradient, and only the sums are kept.
    """
    count = jax.tree.leaves(samples)[0].shape[0]
    if mesh is None:
        return _in_chunks(f, params, (samples, jnp.ones(count, bool)), batch_size)
    mesh = automatic(mesh)

    def share(params, samples):
        sums = _in_chunks(f, params, samples, batch_size)
        return jax.lax.psum(sums, mesh.axis_names)

    of_all, of_each = PartitionSpec(), PartitionSpec(mesh.axis_names)
    total = jax.shard_map(
        share, mesh=mesh, in_specs=(of_all, of_each), out_specs=of_all, check_vma=False
    )
    filled = fill_up(samples, mesh)
    return total(params, (filled, jnp.arange(jax.tree.leaves(filled)[0].shape[0]) < count))


def _in_chunks(f, params, samples, batch_size):
    """`samples` are pairs of a sample and a flag, which is False for padding."""

    def one(params, sample):
        x, counts = sample
        return jnp.where(counts, f(params, x), 0.0)

    def of_chunk(params, chunk):
        if chunk[1].size == 1:  # a plain loop: vmap would evaluate both sides of a branch
            return one(params, jax.tree.map(lambda a: a[0], chunk))
        return jnp.sum(jax.vmap(one, (None, 0))(params, chunk))

    of_both = jax.value_and_grad(of_chunk)
    return sum_of_chunks(lambda chunk: of_both(params, chunk), samples, batch_size)


def sum_of_chunks(f: Callable, samples, batch_size: int):
    """Σ f(chunk) over chunks of at most `batch_size` samples, and the rest."""

    def add(sums, chunk):
        return jax.tree.map(jnp.add, sums, f(chunk)), None

    count = jax.tree.leaves(samples)[0].shape[0]
    batch_size = min(batch_size, count)
    whole = count - count % batch_size
    chunks = jax.tree.map(
        lambda a: a[:whole].reshape(whole // batch_size, batch_size, *a.shape[1:]), samples
    )
    shapes = jax.eval_shape(f, jax.tree.map(lambda a: a[0], chunks))
    sums = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    sums, _ = jax.lax.scan(add, sums, chunks)
    if whole < count:
        sums, _ = add(sums, jax.tree.map(lambda a: a[whole:], samples))
    return sums
