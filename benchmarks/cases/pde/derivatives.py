"""High derivatives of a network: what training pays for a Laplacian, and a biharmonic operator."""

import functools

import jax
import jax.numpy as jnp

import jaxsci as jsci
from benchmarks.runner.case import Case, Peer, Run
from benchmarks.runner.measure.program import compile_program
from jaxsci import nn

SMOKE = (2, 32, 64)


class Network:
    """A tanh network of four layers in float32, points, and programs made of its derivatives."""

    def __init__(self, dim, width, points):
        self.dim, self.width = dim, width
        mlp = nn.MLP(dim, "scalar", width=width, depth=4, key=jax.random.key(0), dtype=jnp.float32)
        self.net, self.params = jsci.pure(mlp)
        self.x = jax.random.normal(jax.random.key(1), (points, dim), jnp.float32)
        self.args = self.params, self.x

    def values(self, operator):
        """`operator(u)(x)` on all points."""
        return lambda params, x: jax.vmap(operator(lambda z: self.net(params, z)))(x)

    def training_gradient(self, operator):
        """∇_θ of mean (operator(u)(x))²."""
        values = self.values(operator)
        return jax.grad(lambda params, x: jnp.mean(values(params, x) ** 2))

    def distance(self, exact):
        """The largest relative distance of an output's leaves from `exact` in float64."""
        double = jax.tree.map(lambda p: p.astype(jnp.float64), self.args)
        reference = jax.tree.leaves(jax.jit(exact)(*double))

        def error(output):
            pairs = zip(jax.tree.leaves(output), reference, strict=True)
            return max(float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b)) for a, b in pairs)

        return error

    def note(self, what):
        points = len(self.x)
        return f"{what}, tanh 4 x {self.width}, d = {self.dim}, {points} points; float32"


def trace_of_hessian(u):
    return lambda y: jnp.trace(jax.hessian(u)(y))


def jvp_of_grad(u):
    def laplacian(y):
        along = jax.vmap(lambda v: jax.jvp(jax.grad(u), (y,), (v,))[1] @ v)
        return along(jnp.eye(y.size, dtype=y.dtype)).sum()

    return laplacian


def folx_laplacian(u):
    from folx import forward_laplacian  # pyright: ignore[reportMissingImports] (an optional peer)

    return lambda y: forward_laplacian(u)(y).laplacian


def _network(sizes, size):
    return Network(*(SMOKE if size == "smoke" else sizes))


def _operations(function, args):
    return (jax.jit(function).lower(*args).compile().cost_analysis() or {})["flops"]


def laplacian(sizes, size):
    net = _network(sizes, size)
    step = net.training_gradient(jsci.laplacian)

    def batched(n):
        return jax.vmap(step, (None, 0)), (net.params, jnp.stack([net.x] * n))

    def figures(_):
        forward, passes = (
            _operations(net.values(operator), net.args)
            for operator in (lambda u: u, jsci.laplacian)
        )
        others = {"jvp of grad": jvp_of_grad, "jax.hessian": trace_of_hessian}
        memory = {
            name: compile_program(net.training_gradient(operator), net.args).bytes
            for name, operator in others.items()
        }
        return {
            "operations of Δu over a forward pass": passes / forward,
            **{
                f"MiB of temporaries, {name}": found.temporary / 2**20
                for name, found in memory.items()
                if found is not None
            },
        }

    return Run(
        step,
        net.args,
        error=net.distance(net.training_gradient(trace_of_hessian)),
        batched=batched,
        baseline=("jvp of grad, vmapped", net.training_gradient(jvp_of_grad), net.args),
        note=net.note("∇_θ of mean (Δu)²"),
        figures=figures if size == "full" else {},
    )


def _peer_laplacian(operator, sizes, size):
    net = _network(sizes, size)
    step = net.training_gradient(operator)
    return Run(step, net.args, net.distance(net.training_gradient(trace_of_hessian)))


def biharmonic(size):
    net = Network(*(SMOKE if size == "smoke" else (2, 128, 512)))

    def hessian_of_hessian(u):
        return trace_of_hessian(trace_of_hessian(u))

    def along_axes(u):
        """Σ ∂²ᵢ ∂²ⱼ u by four nested directional derivatives."""

        def twice(f, axis):
            v = jnp.eye(net.dim)[axis]
            once = lambda y: jax.jvp(f, (y,), (v.astype(y.dtype),))[1]  # noqa: E731
            return lambda y: jax.jvp(once, (y,), (v.astype(y.dtype),))[1]

        axes = range(net.dim)
        return lambda y: sum(twice(twice(u, i), j)(y) for i in axes for j in axes)

    return Run(
        net.values(jsci.biharmonic),
        net.args,
        error=net.distance(net.values(along_axes)),
        baseline=("Hessian of Hessian", net.values(hessian_of_hessian), net.args),
        note=net.note("Δ²u"),
    )


def _laplacian_case(name, sizes, tier):
    peers = (
        ("jax.hessian", "jax", "jax", trace_of_hessian),
        ("folx", "folx==0.2.30", "folx", folx_laplacian),
    )
    return Case(
        name,
        "pde",
        f"Training gradient through a Laplacian, d = {sizes[0]}",
        functools.partial(laplacian, sizes),
        tier,
        reference="float64 trace of jax.hessian",
        tolerance=1e-3,
        error_name="relative L2",
        peers=tuple(
            Peer(peer, install, functools.partial(_peer_laplacian, operator, sizes), module)
            for peer, install, module, operator in peers
        ),
    )


CASES = [
    _laplacian_case("pde.laplacian", (10, 128, 1024), "smoke"),
    _laplacian_case("pde.laplacian-2", (2, 128, 1024), "full"),
    _laplacian_case("pde.laplacian-100", (100, 128, 256), "full"),
    Case(
        "pde.biharmonic",
        "pde",
        "Biharmonic operator of a network",
        biharmonic,
        "full",
        reference="float64, four nested derivatives",
        tolerance=1e-2,
        error_name="relative L2",
    ),
]
