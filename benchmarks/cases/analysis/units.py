"""Hidden units of networks trained on digits: matched, merged, added, and trainings combined."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.analysis._digits import SINGLE, accuracy, digits, further, trained, untrained
from benchmarks.runner.case import Case, Run, Size

# Largest loss of accuracy of `merge`, in points: width, share, unlabelled inputs.
MERGES = {(64, 0.5, 200): 1.0, (256, 0.7, 200): 1.2, (256, 0.3, 0): 1.5}
SEEDS = {"smoke": 1, "quick": 1, "full": 3}


def matched(seed: int, steps: int):
    """Gain of matched correlations over untrained networks, and accuracies at the midpoint."""
    x = digits()[0][0]
    f, a = trained(seed, 64, steps=steps)
    b = trained(seed + 1, 64, steps=steps)[1]
    units = jsci.analysis.units(f, a, x[0])

    def correlation(a, b):
        found = jsci.analysis.match(a, b, units, inputs=x).similarities
        return float(np.mean([np.mean(values) for values in found.values()]))

    def midpoint(orders):
        turned = jsci.analysis.permute(b, units, orders)
        return accuracy(f, jax.tree.map(lambda p, q: (p + q) / 2, a, turned))

    null = correlation(*(untrained(s, 64)[1] for s in (seed, seed + 1)))
    by_inputs = jsci.analysis.match(a, b, units, inputs=x).permutations
    by_parameters = jsci.analysis.match(a, b, units).permutations
    return {
        "correlation above untrained": correlation(a, b) - null,
        "midpoint, activations": midpoint(by_inputs),
        "midpoint, parameters": midpoint(by_parameters),
        "midpoint, unmatched": midpoint({}),
    }


def lost(seed: int, steps: int):
    """Points of accuracy lost by `merge`, and by leaving out the units of the smallest weights."""
    x, found = digits()[0][0], {}
    for width in (64, 256):
        f, params = trained(seed, width, steps=steps, decay=1e-3)
        units = jsci.analysis.units(f, params, x[0])
        points = lambda small: 100 * (accuracy(f, params) - accuracy(f, small))  # noqa: B023, E731
        for w, share, seen in (*MERGES, (256, 0.85, 0)):
            if w == width:
                small = jsci.analysis.merge(params, units, share, inputs=x[:seen] if seen else None)
                found[f"{width}, {share:.0%}, {seen} inputs"] = points(small)
        noise = jax.random.uniform(jax.random.key(0), (1000, 64), SINGLE)
        found[f"{width}, 85%, refitted on noise"] = points(
            jsci.analysis.merge(params, units, 0.85, inputs=noise)
        )
        found[f"{width}, 85%, smallest left out"] = points(smallest_left_out(params, 0.85))
    return found


def smallest_left_out(params, share):
    """Without the units of the smallest ‖w‖ ‖W_out‖, as magnitude pruning has it."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(params)]
    for k in (0, 2):
        w, b, out = leaves[k : k + 3]
        size = np.linalg.norm(np.c_[w, b], axis=1) * np.linalg.norm(out, axis=0)
        kept = np.sort(np.argsort(-size)[: len(size) - int(share * len(size))])
        leaves[k : k + 3] = w[kept], b[kept], out[:, kept]
    return jax.tree.unflatten(jax.tree.structure(params), list(map(jnp.asarray, leaves)))


def combined(seed: int, steps: int):
    """Accuracies after training on halves of the classes, on all, and of the halves combined."""
    f, base = trained(seed, 64, steps=steps)
    halves = [
        further(f, base, seed + k, steps=steps, classes=half)
        for k, half in enumerate((range(5), range(5, 10)))
    ]
    joint = further(f, base, seed, steps=steps)
    sums = {
        "average": jsci.analysis.combine(base, halves, scale=0.5),
        "task arithmetic 0.3": jsci.analysis.combine(base, halves, scale=0.3),
        "TIES 0.3": jsci.analysis.combine(base, halves, keep=0.3),
    }
    sums |= {"joint": joint, "first half": halves[0], "second half": halves[1], "before": base}
    return {name: accuracy(f, params) for name, params in sums.items()}


def _study(measure, steps: int, worst):
    """Means over some seeds; the error is the worst ratio to a bar."""

    def make(size: Size):
        digits()
        used = 20 if size == "smoke" else steps

        def step():
            found = [measure(2 * seed, used) for seed in range(SEEDS[size])]
            return {name: float(np.mean([one[name] for one in found])) for name in found[0]}

        return Run(
            step=step,
            args=(),
            error=worst,
            figures=lambda out: {name: f"{value:.3g}" for name, value in out.items()},
            note=f"scikit-learn's digits, two hidden layers, {used} steps, {SEEDS[size]} seeds",
            host=True,
        )

    return make


def _worst_match(out):
    wrong = 1 - out["midpoint, activations"]
    return max(0.1 / out["correlation above untrained"], wrong / 0.07)


def _worst_loss(out):
    share = out["256, 85%, refitted on noise"] / out["256, 85%, smallest left out"]
    bars = (out[f"{w}, {s:.0%}, {n} inputs"] / bar for (w, s, n), bar in MERGES.items())
    return max(3 * share, *bars)


def _worst_combination(out):
    best = max(out[name] for name in ("average", "task arithmetic 0.3", "TIES 0.3"))
    return 100 * (out["joint"] - best) / 2


CASES = [
    Case("analysis.matched_units", "analysis", "Two digit networks, matched",
         _study(matched, 800, _worst_match), "full", reference="untrained networks", tolerance=1.0,
         error_name="worst of 0.1 above untrained, 0.07 wrong at the midpoint"),
    Case("analysis.merged_units", "analysis", "Digit networks with fewer units",
         _study(lost, 500, _worst_loss), "full", reference="the whole network", tolerance=1.0,
         error_name="worst of 1.0, 1.2, 1.5 points, a third of what pruning loses"),
    Case("analysis.combined_halves", "analysis", "Trainings on halves of the digits, combined",
         _study(combined, 150, _worst_combination), "full", reference="joint training",
         tolerance=1.0, error_name="difference over 2 points"),
]  # fmt: skip
