"""A network that reads pulses, in floats and in eight-bit integers, over the Cramér-Rao bound."""

import jax
import jax.numpy as jnp
import optax

import jaxsci as jsci
from benchmarks.cases.bayes._pulses import middle, simulate, spread, variances
from benchmarks.runner.case import Case, Run

_WIDTH, _COPIES = 24, 4


def _start(key):
    first, second = jax.random.split(key)
    return {
        "w": 1.5 * jax.random.normal(first, (32, _WIDTH)),
        "b": jnp.zeros(_WIDTH),
        "v": jax.random.normal(second, (_WIDTH, 2)) / _WIDTH**0.5,
        "c": jnp.zeros(2),
    }


def _network(p, x):
    return middle + spread * (jnp.tanh((x - 0.4375) @ p["w"] + p["b"]) @ p["v"] + p["c"])


def _split(p):
    """Four units for each, whose biases divide one step of rounding evenly."""
    steps = jnp.repeat((jnp.arange(_COPIES) + 0.5) / _COPIES - 0.5, _WIDTH) / 127
    w, b = jnp.tile(p["w"], _COPIES), jnp.tile(p["b"], _COPIES) + steps
    return {"w": w, "b": b, "v": jnp.tile(p["v"], (_COPIES, 1)) / _COPIES, "c": p["c"]}


def _eight_bits(scales):
    """The network whose signals, weights and activations are integers up to 127."""

    def whole(x, scale, most=127):
        """In steps of 1 / scale, with the derivative of what was rounded."""
        scaled = x * scale
        rounded = scaled + jax.lax.stop_gradient(jnp.floor(scaled + 0.5) - scaled)
        return jnp.clip(rounded, -most, most) / scale

    def f(p, x):
        w, v = whole(p["w"], scales["w"]), whole(p["v"], scales["v"])
        drive = whole(x - 0.4375, 256) @ w + whole(p["b"], 256 * scales["w"], 2**31)
        hidden = whole(jnp.tanh(whole(drive, 512, 2047)), 127)
        return middle + spread * (hidden @ v + whole(p["c"], 127 * scales["v"], 2**31))

    return f


def _refined(f, params, limit, steps, rate):
    """Adam on pulses simulated afresh in every step, so that no noise is learned."""
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def step(carry, key):
        params, state = carry
        x, truth = simulate(key, 512)
        slope = jax.grad(lambda p: jnp.mean(((f(p, x) - truth) / limit) ** 2))(params)
        updates, state = optimiser.update(slope, state, params)
        return (optax.apply_updates(params, updates), state), None

    keys = jax.random.split(jax.random.key(13), steps)
    run = jax.jit(lambda p: jax.lax.scan(step, (p, optimiser.init(p)), keys)[0][0])
    return run(params)


def _make(size):
    steps, aware_steps = (4000, 8000) if size == "full" else (20, 20)
    signals, pulses = simulate(jax.random.key(10), 4000)
    limit = jnp.sqrt(jnp.mean(jax.vmap(variances)(pulses), 0))
    over_bound = lambda found: jnp.sqrt(jnp.mean((found - pulses) ** 2, 0)) / limit  # noqa: E731

    def step():
        loss = jsci.objective({"pulses": lambda p, s: (_network(p, s[0]) - s[1]) / limit})
        data = {"pulses": simulate(jax.random.key(11), 1200)}
        rough, optimizer = _start(jax.random.key(12)), jsci.levenberg_marquardt()
        rough = jsci.fit(loss, rough, data, optimizer, steps=25, progress=False).params
        params = _refined(_network, rough, limit, steps, 1e-3)
        wide = _split(params)
        scales = {k: 120 / jnp.abs(wide[k]).max(0) for k in "wv"}  # seven steps to grow
        rounded = _eight_bits(scales)
        aware = _refined(rounded, wide, limit, aware_steps, 2e-3)
        floats = over_bound(_network(params, signals))
        return floats, *(over_bound(rounded(p, signals)) / floats for p in (wide, aware))

    def figures(out):
        named = zip(("network", "int8, rounded", "int8, trained"), out, strict=True)
        return {f"{name}: {part}": float(found[i]) for name, found in named
                for i, part in enumerate(("time", "height"))}  # fmt: skip

    return Run(
        step,
        (),
        error=lambda out: float(max(out[0].max() / 2, out[2].max() / 1.3)),
        host=True,
        figures=figures,
        note=f"{_WIDTH} units over the bound; {_WIDTH * _COPIES} in int8 over them; Adam: {steps} "
        f"and {aware_steps} steps of 512 pulses; 4000 other pulses",
    )


CASES = [
    Case(
        "bayes.pulse-network", "bayes", "Pulses by a network, in floats and in int8", _make,
        "full", reference="Cramér-Rao bound", tolerance=1.0,
        error_name="of the bars, 2 bounds and 1.3 networks",
    ),
]  # fmt: skip
