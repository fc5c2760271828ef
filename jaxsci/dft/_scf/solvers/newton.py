"""Second-order SCF: a trust-region minimisation of the energy over orbital rotations."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ....numerics import trust_region_step
from ..equations import Equations
from ..kohn_sham import electrons_per_orbital, energy_and_fock
from ..projector import occupied_orbitals
from .diis import Solution, has_converged
from .options import Iteration

_RADIUS, _LARGEST_RADIUS = 0.4, 2.0  # of the first step and of any, in radians √Hartree
_SMALLEST_GAP = 0.1  # in the preconditioner (Hartree)
# The first rotation, in radians times gap: without it symmetry can hold a saddle point.
_NOISE = 0.02
_CLEAR_GAP = 0.1  # of the Fock matrix that is returned (Hartree)
_TRIES = 3  # descents, as long as the last one left an empty orbital below a filled one
_SAME = 1e-6  # between the energies of two minima that are one (Hartree)
_ROUNDING = 1e-13  # of the energy: a smaller rise is none


class _Spins(NamedTuple):
    """Which orbitals are filled, for s spins that have their own orbitals or share one set (c = 1).

    - `weight`: n_q - n_p of orbitals p, q for each spin: what a rotation of q into p moves.
    - `between`: the rotations that change the density, from fuller orbitals q into emptier p.
    - `emptiness`: for how many of the spins of its set an orbital is empty.
    - `shared`: whether two spins share one set.
    """

    filled: Bool[Array, "s n"]
    weight: Float[Array, "s n n"]
    between: Bool[Array, "c n n"]
    emptiness: Int[Array, "c n"]
    shared: bool

    def summed(self, matrices):
        """Over spins that share their orbitals."""
        return jnp.sum(matrices, axis=0, keepdims=True) if self.shared else matrices

    def effective(self, focks: Float[Array, "s n n"]) -> Float[Array, "c n n"]:
        """The matrix whose off-diagonal blocks vanish with the gradient, and F of one spin."""
        moved = self.summed(self.weight)
        mean = self.summed(focks) / (2 if self.shared else 1)
        mixed = self.summed(self.weight * focks) / jnp.where(moved == 0, 1, moved)
        return jnp.where(moved == 0, mean, mixed)


def _spins(n: int, counts: Int[Array, " s"], shared: bool) -> _Spins:
    filled = jax.vmap(occupied_orbitals, (None, 0))(n, counts)
    weight = filled[:, None, :].astype(float) - filled[:, :, None]
    if not shared:
        return _Spins(filled, weight, weight > 0, (~filled).astype(int), shared)
    between = jnp.sum(weight, 0, keepdims=True) > 0
    return _Spins(filled, weight, between, jnp.sum(~filled, axis=0, keepdims=True), shared)


class _Tries(NamedTuple):
    """The lowest solution so far, and where to start next unless its orbitals are in order."""

    best: Solution
    start: Solution
    count: Int[Array, ""]
    finished: Bool[Array, ""]


class _Descent(NamedTuple):
    """Orbitals with their Fock matrices, and the rotation to try next with its predicted change."""

    orbitals: Float[Array, "c n n"]
    focks: Float[Array, "s n n"]
    energy: Float[Array, ""]
    gradient: Float[Array, ""]
    change: Float[Array, ""]
    turn: Float[Array, "c n n"]
    length: Float[Array, ""]
    expected: Float[Array, ""]
    radius: Float[Array, ""]
    steps: Int[Array, ""]


def minimise(equations: Equations, start: Solution, iteration: Iteration) -> Solution:
    """Minimise the energy over rotations of the orbitals of `start`.

        C ← C exp(κ - κᵀ),   E(κ) ≈ E + 2f (⟨g,κ⟩ + ½⟨κ,H κ⟩),   g_pq = Σ_s (n_q - n_p) F_s,pq

    with f electrons per orbital. κ is a trust-region Newton step from products with the orbital
    Hessian: the energy never rises, and saddle points are left. The exponential is taken in
    Cayley's form, which is orthogonal to rounding. One set of orbitals for two spins is allowed.

    At a minimum an empty orbital may lie below a filled one, a sign that another minimum may be
    lower: the search begins again with the two exchanged, and the lowest minimum is returned.

    **Arguments:** as in `iterate`.

    **Source:** Helmich-Paris, J. Chem. Phys. 154, 164104 (2021).
    """
    ops = equations.ops
    x, electrons = ops.orthonormal.x, electrons_per_orbital(ops.counts)
    spins = _spins(start.fock.shape[-1], ops.counts, ops.spins.shared)

    def advance(s: _Descent) -> _Descent:
        tried = _turned(s.orbitals, s.turn)
        occupied = (x @ tried) * spins.filled[:, None]
        (energy, focks), response = jax.linearize(
            lambda p: energy_and_fock(equations.functional, equations.params, ops, p),
            electrons * (occupied @ occupied.transpose(0, 2, 1)),
        )
        accepted = energy - s.energy <= jnp.maximum(0.01 * s.expected, _ROUNDING * jnp.abs(energy))
        focks = ops.orthonormal.fock(focks)
        orbitals = _canonical(tried, _seen_from(tried, focks), spins)
        c, focks = x @ orbitals, _seen_from(orbitals, focks)

        def hessian(kappa):
            a = kappa - kappa.transpose(0, 2, 1)
            q = a * spins.weight
            induced = _seen_from(c, response(electrons * (c @ q @ c.transpose(0, 2, 1)))[1])
            turned = (focks @ a - a @ focks) * spins.weight + (focks @ q - q @ focks)
            product = spins.summed(0.5 * turned + induced * spins.weight)
            return jnp.where(spins.between, product, 0)

        gradient = jnp.where(spins.between, spins.summed(spins.weight * focks), 0)
        radius = _next_radius(s, energy - s.energy, accepted)
        gaps = _gaps(jnp.diagonal(focks, axis1=1, axis2=2), spins)
        turn, expected = trust_region_step(hessian, gradient, gaps, radius, accepted)
        new = _Descent(
            orbitals,
            focks,
            energy,
            gradient=jnp.max(jnp.abs(gradient)),
            change=energy - s.energy,
            turn=turn,
            length=jnp.sqrt(jnp.sum(gaps * turn**2)),
            expected=2 * electrons * expected,
            radius=radius,
            steps=s.steps + 1,
        )
        # The same direction, shorter, needs no new products.
        back = s._replace(
            turn=0.25 * s.turn,
            length=0.25 * s.length,
            expected=0.25 * s.expected,
            radius=radius,
            steps=s.steps + 1,
        )
        return jax.tree.map(lambda a, b: jnp.where(accepted, a, b), new, back)

    def unfinished(s: _Descent):
        solution = Solution(start.fock, start.shift, s.energy, s.gradient, s.change, s.steps)
        return ~has_converged(solution, iteration.tolerance) & (s.steps < iteration.max_steps)

    def descend(state: _Tries) -> _Tries:
        end = jax.lax.while_loop(unfinished, advance, _begin(state.start, spins))
        found, in_order = _as_solution(end, spins)
        done, before = (has_converged(s, iteration.tolerance) for s in (found, state.best))
        better = ~before | (done & (found.energy < state.best.energy))
        best = jax.tree.map(lambda a, b: jnp.where(better, a, b), found, state.best)
        again = jnp.abs(found.energy - state.best.energy) < _SAME
        return _Tries(
            best._replace(steps=found.steps),
            found._replace(fock=in_order),
            state.count + 1,
            finished=(found.shift <= _CLEAR_GAP) | again,
        )

    def promising(state: _Tries):
        return ~state.finished & (state.count < _TRIES)

    nothing = start._replace(
        energy=jnp.full_like(start.energy, jnp.inf), gradient=jnp.full_like(start.energy, jnp.inf)
    )
    begin = _Tries(nothing, start, jnp.zeros((), int), jnp.zeros((), bool))
    return jax.lax.while_loop(promising, descend, begin).best


def _begin(start: Solution, spins: _Spins) -> _Descent:
    """The orbitals of a Fock matrix, to be rotated at random, most in the soft directions."""
    energies, orbitals = jnp.linalg.eigh(start.fock)
    levels = jnp.broadcast_to(energies, spins.filled.shape)
    noise = jax.random.normal(jax.random.key(0), orbitals.shape, orbitals.dtype)
    turn = jnp.where(spins.between, _NOISE * noise / _gaps(levels, spins), 0)
    inf, zero = jnp.asarray(jnp.inf, orbitals.dtype), jnp.zeros((), orbitals.dtype)
    focks = jnp.zeros_like(spins.weight)
    radius = jnp.full((), _RADIUS, orbitals.dtype)
    return _Descent(orbitals, focks, inf, inf, inf, turn, zero, zero, radius, start.steps)


def _turned(orbitals, kappa):
    """C (1 + A/2) (1 - A/2)⁻¹ with A = κ - κᵀ, which is C exp(A) to second order."""
    half = 0.5 * (kappa - kappa.transpose(0, 2, 1))
    one = jnp.eye(half.shape[-1], dtype=half.dtype)[None]
    return jnp.linalg.solve(
        (one - half).transpose(0, 2, 1), (orbitals @ (one + half)).transpose(0, 2, 1)
    ).transpose(0, 2, 1)


def _canonical(orbitals, focks, spins: _Spins):
    """Orbitals rotated among those with equal occupation, so that they diagonalise their block."""
    alike = spins.emptiness[:, :, None] == spins.emptiness[:, None]
    blocks = jnp.where(alike, spins.effective(focks), 0)
    # Far apart, so that the fuller orbitals stay first.
    distance = 4 * jnp.max(jnp.sum(jnp.abs(blocks), axis=-1))
    far = distance * jax.vmap(jnp.diag)(spins.emptiness)
    return orbitals @ jnp.linalg.eigh(blocks + far)[1]


def _gaps(levels, spins: _Spins):
    """ε_p - ε_q where a rotation changes the density, at least `_SMALLEST_GAP`; 1 elsewhere."""
    gaps = spins.summed(spins.weight * (levels[:, :, None] - levels[:, None]))
    return jnp.where(spins.between, jnp.maximum(jnp.abs(gaps), _SMALLEST_GAP), 1)


def _next_radius(s: _Descent, change, accepted):
    quality = jnp.where(s.expected < 0, change / jnp.where(s.expected < 0, s.expected, 1), 0.5)
    grown = jnp.minimum(2 * s.radius, _LARGEST_RADIUS)
    kept = jnp.where(quality > 0.75, grown, jnp.where(quality < 0.25, 0.5 * s.radius, s.radius))
    return jnp.where(accepted, kept, 0.25 * jnp.minimum(s.length, s.radius))


def _seen_from(orbitals, matrices):
    return orbitals.transpose(0, 2, 1) @ matrices @ orbitals


def _as_solution(s: _Descent, spins: _Spins) -> tuple[Solution, Array]:
    """The solution, its empty orbitals raised clear of the filled, and its plain Fock matrix."""
    fock = spins.effective(s.focks)
    levels = jnp.diagonal(fock, axis1=1, axis2=2)
    above = jnp.where(spins.between, levels[:, None] - levels[:, :, None], -jnp.inf)
    shift = jnp.maximum(jnp.max(above) + _CLEAR_GAP, 0)

    def in_basis(matrix):
        return s.orbitals @ matrix @ s.orbitals.transpose(0, 2, 1)

    raised = in_basis(fock + shift * jax.vmap(jnp.diag)(spins.emptiness))
    solution = Solution(raised, shift, s.energy, s.gradient, s.change, s.steps)
    return solution, in_basis(fock)
