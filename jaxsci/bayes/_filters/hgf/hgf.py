"""Hierarchical Gaussian filters: beliefs about values, and about how fast they change."""

from collections.abc import Sequence
from functools import partial
from typing import Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from ..filter import Observation
from .beliefs import Beliefs, Known, Predicted, beliefs
from .families import family_of
from .levels import edges, levels, statistics
from .node import Node, check, from_children_to_parents, inputs
from .unbounded_update import unbounded

Update = Literal["ehgf", "standard", "unbounded"]
Parameters = dict[str, Float[Array, "*b n"]]


class HGF(eqx.Module):
    """A hierarchical Gaussian filter; made by `hgf`.

    - `nodes`, `update`: as in `hgf`.
    """

    nodes: tuple[Node, ...] = eqx.field(static=True)
    update: Update = eqx.field(static=True)

    @property
    def _levels(self):
        return levels(self.nodes)

    @property
    def _statistics(self):
        return statistics(self.nodes, self._levels)

    def params(self) -> Parameters:
        """The default parameters, to be changed by `params | {"tonic_volatility": ...}`.

        **Returns:** a dict of arrays with an entry for each node, then for each further level, or
        for each coupling in the order in which these list their parents. `"tonic_volatility"` ω,
        -4; `"tonic_drift"` ρ, 0; `"autoconnection"` λ, 1; `"mean"` and `"precision"` of the first
        belief, 0 and 1, where the precision of an observed node is that of its noise;
        `"value_coupling"` α and `"volatility_coupling"` κ, 1.

        **Notes:** node by node the further levels are: of a volatile node its volatility; of one
        of a family without parents the beliefs about its statistics, whose precision is ν, 3 by
        default; and of each of a family its observed statistics from the second on. What predicts
        a statistic has the first mean that the family says, such as 0 and 1 for y and y².
        """
        found = self._levels
        n = len(found)
        couplings = {
            f"{kind}_coupling": jnp.ones(len(edges(found, kind)))
            for kind in ("value", "volatility")
        }
        first = [0.0] * n
        for _, family, places in self._statistics:
            for place, value in zip(places, family.first, strict=True):
                first[found[place].value_parents[0]] = value
        counted = jnp.array([level.kind == "counted" for level in found])
        return {
            "mean": jnp.array(first),
            "precision": jnp.where(counted, 3.0, 1.0),
            "tonic_volatility": jnp.full(n, -4.0),
            "tonic_drift": jnp.zeros(n),
            "autoconnection": jnp.ones(n),
        } | couplings

    def init(self, params: Parameters) -> Beliefs:
        """The first beliefs.

        **Arguments:**

        - `params`: as from `params()`.

        **Returns:** the state that `step` takes.
        """
        _check_params(params, self.params())
        return Beliefs(params["mean"], _positive(params["precision"]))

    def step(
        self, params: Parameters, state: Beliefs, observation: Observation
    ) -> tuple[Beliefs, Beliefs, Float[Array, ""]]:
        """Prediction and update by one observation: the step that `filter` takes.

        **Arguments:**

        - `params`: as from `params()`.
        - `state`: beliefs after the observation before.
        - `observation`: the next one, () or (m,) for m observed nodes in their order.

        **Returns:** the new beliefs; the predicted ones, in which an observed continuous node has
        the variance of an observation; the log density of what was seen.
        """
        _check_params(params, jax.eval_shape(self.params))
        # Gradients compute each step again: it costs less than to write and read what it holds.
        return jax.checkpoint(self._step, prevent_cse=False)(params, state, observation)

    def _step(self, params, state, observation):
        found = self._levels
        observed, order = inputs(found), from_children_to_parents(found)
        values = self._values(observation)
        predicted: dict[int, Predicted] = {}
        for i in reversed(order):
            predict = self._predict_input if i in observed else self._predict
            predicted[i] = predict(params, state, predicted, i, observation.dt)
        known: dict[int, Known] = {}
        for i, (value, is_seen) in self._seen(values).items():
            mean = jnp.where(is_seen, value, predicted[i].mean)
            known[i] = Known(mean, predicted[i].precision, is_seen)
        log_density = self._log_densities(params, predicted, known, values)
        for i in order:
            if i not in observed:
                known[i] = self._known(params, predicted, known, i, observation.dt)
        return beliefs(known), self._before(params, predicted), jnp.asarray(log_density)

    def _values(self, observation):
        """The value of each observed node, NaN for one that it cannot have, and whether seen."""
        observed = inputs(self.nodes)
        families = {i: family for i, family, _ in self._statistics}
        sizes = [families[i].size if i in families else 1 for i in observed]
        if observation.value.size != sum(sizes):
            raise ValueError(
                f"An observation has {observation.value.size} values, but {len(observed)} nodes "
                f"are observed: {observed}, which take {sizes}."
            )
        found, start = {}, 0
        for i, size in zip(observed, sizes, strict=True):
            part = start if size == 1 else slice(start, start + size)
            value, start = jnp.ravel(observation.value)[part], start + size
            is_seen, allowed = jnp.all(jnp.ravel(observation.seen)[part]), jnp.array(True)
            if self.nodes[i].kind == "binary":
                allowed = (value == 0) | (value == 1)
            elif i in families:  # a density at what cannot be may have no gradient
                value = jnp.where(is_seen, value, families[i].example)
                allowed = ~jnp.isnan(jnp.sum(families[i].statistics(value)))
            found[i] = jnp.where(allowed, value, jnp.nan), is_seen
        return found

    def _seen(self, values):
        """The value of each observed level, and whether it was seen."""
        seen = dict(values)
        for i, family, places in self._statistics:
            value, is_seen = values[i]
            for place, statistic in zip(places, family.statistics(value), strict=True):
                seen[place] = statistic, is_seen
        return seen

    def _parents(self, kind, child):
        return [e for e in edges(self._levels, kind) if e.child == child]

    def _children(self, kind, parent):
        return [e for e in edges(self._levels, kind) if e.parent == parent]

    def _drive(self, params, predicted, i):
        """What value parents add to the mean of a node."""
        parents = self._parents("value", i)
        moved = [params["value_coupling"][e.place] * predicted[e.parent].mean for e in parents]
        return sum(moved, params["tonic_drift"][i])

    def _predict(self, params, state, predicted, i, dt) -> Predicted:
        exponent = params["tonic_volatility"][i]
        for e in self._parents("volatility", i):
            exponent += params["volatility_coupling"][e.place] * predicted[e.parent].mean
        volatility = dt * jnp.exp(exponent)
        precision = 1 / (1 / state.precision[i] + volatility)
        drive = self._drive(params, predicted, i)
        mean = params["autoconnection"][i] * state.mean[i] + dt * drive
        if self._levels[i].kind == "counted":  # what was learned beyond ν is forgotten again
            precision = _positive(params["precision"][i])
        return Predicted(mean, precision, volatility, 1 / state.precision[i])

    def _predict_input(self, params, state, predicted, i, dt) -> Predicted:
        """An observation has no memory; that of a continuous node has its noise alone."""
        del state, dt
        drive = self._drive(params, predicted, i)
        none = jnp.zeros_like(drive)
        if self._levels[i].kind != "binary":
            return Predicted(drive, _positive(params["precision"][i]), none, none)
        # 1 / (mean (1 - mean)), also where the mean is 1 to rounding; its square can be written.
        bound = 0.5 * jnp.log(jnp.finfo(drive.dtype).max)
        precision = 2 + 2 * jnp.cosh(jnp.clip(drive, -bound, bound))
        mean = jax.nn.sigmoid(drive)
        return Predicted(mean, precision, none, mean * jax.nn.sigmoid(-drive))

    def _variance(self, params, predicted, i):
        """Of an observation of a continuous node: its noise, and its parents' variances."""
        unknown = [
            params["value_coupling"][e.place] ** 2 / predicted[e.parent].precision
            for e in self._parents("value", i)
        ]
        return sum(unknown, 1 / predicted[i].precision)

    def _before(self, params, predicted) -> Beliefs:
        found = [predicted[i] for i in range(len(self._levels))]
        precisions = [p.precision for p in found]
        for i in inputs(self._levels):
            if self._levels[i].kind != "binary":
                precisions[i] = 1 / self._variance(params, predicted, i)
        for i, family, places in self._statistics:
            precisions[i] = 1 / family.variance(jnp.stack([found[p].mean for p in places]))
        return Beliefs(jnp.stack([p.mean for p in found]), jnp.stack(precisions))

    def _log_density(self, params, predicted, known: Known, i):
        if self.nodes[i].kind == "binary":
            drive = self._drive(params, predicted, i)
            log_density = jax.nn.log_sigmoid(drive) - (1 - known.mean) * drive
        else:
            variance = self._variance(params, predicted, i)
            square = (known.mean - predicted[i].mean) ** 2 / variance
            log_density = -0.5 * (square + jnp.log(2 * jnp.pi * variance))
        return jnp.where(known.informed, log_density, 0)

    def _log_predictive(self, params, predicted, seen, statistics):
        """Of a family, of which each statistic counts as many observations as π̂ / (α² π)."""
        _, family, places = statistics
        counts = []
        for i in places:
            (e,) = self._parents("value", i)
            information = params["value_coupling"][e.place] ** 2 * predicted[i].precision
            counts.append(predicted[e.parent].precision / information)
        expected = jnp.stack([predicted[i].mean for i in places])
        value, is_seen = seen
        log_density = family.log_density(value, expected, jnp.mean(jnp.stack(counts)))
        return jnp.where(is_seen, log_density, 0)

    def _log_densities(self, params, predicted, known, values):
        """Of all observations: continuous ones that have a parent in common are correlated."""
        observed = inputs(self.nodes)
        families = [
            self._log_predictive(params, predicted, values[s.node], s) for s in self._statistics
        ]
        together = [i for i in observed if self.nodes[i].kind == "continuous"]
        parents = [p for i in together for p in self.nodes[i].value_parents]
        if len(set(parents)) == len(parents):
            together = []
        alone = [i for i in observed if i not in together and not family_of(self.nodes[i].kind)]
        each = [self._log_density(params, predicted, known[i], i) for i in alone]
        joint = [self._joint_log_density(params, predicted, known, together)] if together else []
        return sum(each + joint + families)

    def _joint_log_density(self, params, predicted, known, nodes):
        parents = sorted({p for i in nodes for p in self.nodes[i].value_parents})
        factor = jnp.zeros((len(nodes), len(parents)), predicted[nodes[0]].mean.dtype)
        for row, i in enumerate(nodes):
            for e in self._parents("value", i):
                spread = params["value_coupling"][e.place] / jnp.sqrt(predicted[e.parent].precision)
                factor = factor.at[row, parents.index(e.parent)].set(spread)
        noise = jnp.stack([1 / predicted[i].precision for i in nodes])
        seen = jnp.stack([known[i].informed for i in nodes])
        both = seen[:, None] & seen[None]
        alone = jnp.eye(len(nodes), dtype=factor.dtype)
        covariance = jnp.where(both, factor @ factor.T + jnp.diag(noise), alone)
        root = jnp.linalg.cholesky(covariance)
        error = jnp.stack([known[i].mean - predicted[i].mean for i in nodes])
        square = jnp.sum(solve_triangular(root, error, lower=True) ** 2)
        volume = jnp.sum(jnp.log(jnp.diagonal(root)))
        return -0.5 * (square + jnp.sum(seen) * jnp.log(2 * jnp.pi)) - volume

    def _known(self, params, predicted, known, i, dt) -> Known:
        """A hidden level after its children, each of which counts if anything was seen below it."""
        push, narrowing = self._from_values(params, predicted, known, i, dt)
        children = [*self._children("value", i), *self._children("volatility", i)]
        informed = jnp.any(jnp.stack([known[e.child].informed for e in children]))
        if self.update == "unbounded":
            new = predicted[i].precision + narrowing
            belief = predicted[i].mean + push / new, new
            return Known(*self._unbounded(params, predicted, known, i, belief), informed)
        more_push, more_narrowing = self._from_volatilities(params, predicted, known, i)
        mean, precision, *_ = predicted[i]
        new = precision + narrowing + more_narrowing
        # The expansion around the prediction may have no maximum: say so.
        new = jnp.where(new > 0, new, jnp.nan)
        mean_first = self.update == "ehgf" and self._children("volatility", i)
        mean = mean + (push + more_push) / (precision if mean_first else new)
        return Known(mean, new, informed)

    def _from_values(self, params, predicted, known, i, dt):
        """Σ α π̂ δ and Σ α² π̂ over the nodes that this one moves."""
        push = narrowing = jnp.zeros_like(predicted[i].mean)
        observed = inputs(self._levels)
        for e in self._children("value", i):
            child, seen = predicted[e.child], known[e.child].informed
            coupling = params["value_coupling"][e.place] * (1.0 if e.child in observed else dt)
            error = known[e.child].mean - child.mean
            if self._levels[e.child].kind == "binary":  # of a sigmoid: its slope is its variance
                push += jnp.where(seen, coupling * error, 0)
                narrowing += jnp.where(seen, coupling**2 * child.variance, 0)
            else:
                push += jnp.where(seen, coupling * child.precision * error, 0)
                narrowing += jnp.where(seen, coupling**2 * child.precision, 0)
        return push, narrowing

    def _from_volatilities(self, params, predicted, known, i):
        """The same over the nodes whose speed this one sets, by their surprise Δ."""
        push = narrowing = jnp.zeros_like(predicted[i].mean)
        for e in self._children("volatility", i):
            child, after = predicted[e.child], known[e.child]
            coupling = params["volatility_coupling"][e.place]
            weight = coupling * child.volatility * child.precision
            square = child.precision * (after.mean - child.mean) ** 2
            surprise = child.precision / after.precision + square - 1
            curvature = 0.5 * weight**2 + (weight - 0.5 * coupling) * weight * surprise
            push += jnp.where(after.informed, 0.5 * weight * surprise, 0)
            narrowing += jnp.where(after.informed, curvature, 0)
        return push, narrowing

    def _unbounded(self, params, predicted, known, i, belief):
        """The belief after the nodes whose speed this one sets, taken one after the other."""
        for e in self._children("volatility", i):
            child, after = predicted[e.child], known[e.child]
            coupling = params["volatility_coupling"][e.place]
            new = unbounded(
                *belief,
                volatility=child.volatility * jnp.exp(coupling * (belief[0] - predicted[i].mean)),
                coupling=coupling,
                before=child.variance,
                after=1 / after.precision + (after.mean - child.mean) ** 2,
            )
            mean, precision = map(partial(jnp.where, after.informed), new, belief)
            belief = mean, precision
        return belief


def hgf(nodes: Sequence[Node], *, update: Update = "ehgf") -> HGF:
    """A hierarchical Gaussian filter, for `filter`: beliefs whose volatility is believed too.

        μ̂ = λ μ + dt (ρ + Σ α μ̂_value),   1/π̂ = 1/π + Ω,   Ω = dt exp(ω + Σ κ μ̂_volatility)

    Observations then move the beliefs from below: value parents by their errors over precision,
    π = π̂ + Σ α² π̂_child, and volatility parents by Δ = π̂/π + π̂ (μ - μ̂)² - 1 of their children.
    A node of an exponential family moves the expected statistics ξ by (t(y) - ξ) / (ν + 1), where
    ν is constant, or the mean of π̂ / π_noise of the parents that have these expectations.

    **Arguments:**

    - `nodes`: the graph, of `Node`. Nodes that are nobody's parent are observed, in their order.
    - `update`: of volatility parents: `"ehgf"` moves the mean over the predicted precision,
        `"standard"` over the new one; `"unbounded"` mixes two expansions, whose precisions are
        positive whatever was observed, and takes several children one after the other.

    **Returns:** `HGF`: `.params()`, `.init(params)`, and `.step` for `filter`.

    **Raises:** `ValueError` for a parent that is not there or there twice, a circle, or nodes that
    cannot be observed; from its methods for parameters or observations of another shape.

    **Notes:** where a new precision would not be positive, everything after it is NaN: the
    expansion of the update has no maximum there, mostly for a volatility that is too high. Under
    `"unbounded"` only beliefs that diverge until they overflow are NaN, of binary observations
    with ω above 0. NaN is also everything after a binary observation other than 0 or 1, for a
    first precision, or that of a noise, which is not positive, and the density of a family whose
    expected statistics no distribution of it has, such as a mean square below the squared mean.
    `log_density` is that of the observations: sigmoid for binary ones; for continuous ones
    normal, with variances 1/π_noise + Σ α²/π̂_parent and the covariances of common parents; for
    normal nodes Student's of ν + 1 degrees of freedom. Some software scores a continuous
    observation by the parent's prediction alone, N(μ̂_parent, 1/π̂_parent): that, and any response
    model, is a function of `.predicted`.

    **Good values:** ω from -8 to -2 for binary observations.

    **Source:** Mathys et al., Front. Hum. Neurosci. 8, 825 (2014); Weber et al., "The generalized
    hierarchical Gaussian filter", arXiv:2305.10937 (2023); Mathys & Weber, "Hierarchical
    Gaussian filtering of sufficient statistic time series", Active Inference (2020).

    ```python
    net = jsci.bayes.hgf(
        (
            jsci.bayes.Node("binary", value_parents=(1,)),
            jsci.bayes.Node("continuous", volatility_parents=(2,)),
            jsci.bayes.Node("continuous"),
        )
    )
    params = net.params() | {"tonic_volatility": jnp.array([0.0, -4.0, -6.0])}
    u = jnp.array([1.0, 1.0, 0.0, 1.0])
    jsci.bayes.filter(net.step, params, net.init(params), u).log_density  # -2.860
    ```
    """
    if update not in get_args(Update):
        raise ValueError(f"update must be one of {get_args(Update)}, got {update!r}.")
    nodes = tuple(nodes)
    check(nodes)
    nodes = tuple(Node(n.kind, tuple(n.value_parents), tuple(n.volatility_parents)) for n in nodes)
    return HGF(nodes, update)


def _positive(precision):
    """A flag where it is not."""
    return jnp.where(precision > 0, precision, jnp.nan)


def _check_params(params, like):
    shapes = {name: jnp.shape(value) for name, value in params.items()}
    wanted = {name: value.shape for name, value in like.items()}
    if shapes != wanted:
        raise ValueError(f"params must have the shapes {wanted}, got {shapes}.")
