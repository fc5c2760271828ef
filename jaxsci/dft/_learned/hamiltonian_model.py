"""The Kohn-Sham matrix of a molecule learned from its geometry: an E(3)-equivariant model."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ...core import memoised
from .._basis.orthonormal import orthonormal
from .._scf.scf import SCFResult
from .._system.molecule import Molecule
from .atom_features import AtomFeatures, Nuclei, degrees, shells_of
from .edge_products import edge_products
from .pair_blocks import functions_of, pair_blocks
from .tensor_products import Path, coupled_degrees, full_products, paths_of_pairs

# The constant of Wolfsberg and Helmholz, by which the coupling of two levels is scaled.
_COUPLING = 1.75
# From this angular momentum on products are found in the frames of edges.
_TURNED = 4


class PairNetwork(eqx.Module):
    """Weights and score of a pair, from the invariants of two atoms and their distance.

    h_AB = tanh(U x_A0 + V x_B0 + W φ(r_AB)),   w_AB = 1 + S h_AB,   s_AB = sᵀ(h_AB + h_BA)
    """

    first: Float[Array, "features width"]
    second: Float[Array, "features width"]
    distance: Float[Array, "radial width"]
    weights: Float[Array, "width twice_lmax channels"]
    score: Float[Array, " width"]
    # Nonzero while training draws pairs at random; see `sparse_gates`.
    draw: Float[Array, ""]

    # The fraction of a molecule's neighbour pairs whose products are computed.
    share: float = eqx.field(static=True, default=1.0)

    def __call__(
        self, invariants: Float[Array, "atoms features"], radial: Float[Array, "A B radial"]
    ) -> tuple[Float[Array, "degrees channels A B"], Float[Array, "A B"]]:
        first, second = invariants @ self.first, invariants @ self.second
        hidden = jnp.tanh(first[:, None] + second[None] + radial @ self.distance)
        score = hidden @ self.score
        return 1 + jnp.einsum("wlc,abw->lcab", self.weights, hidden), score + score.T

    def order(self, score: Float[Array, "A B"]) -> Float[Array, "A B"]:
        """By what pairs are chosen: the score, or random numbers."""
        drawn = jax.lax.stop_gradient(self.draw)
        key = jax.random.fold_in(jax.random.key(0), drawn.astype(int))
        return jnp.where(drawn > 0, jax.random.uniform(key, score.shape, score.dtype), score)


def pair_network(features: int, radial: int, width: int, degrees: int, channels: int, key):
    """Initially all pairs alike."""
    keys = jax.random.split(key, 3)
    first, second, distance = (
        n**-0.5 * jax.random.normal(k, (n, width), jnp.float64)
        for k, n in zip(keys, (features, features, radial), strict=True)
    )
    weights = jnp.zeros((width, degrees, channels))
    return PairNetwork(first, second, distance, weights, jnp.zeros(width), jnp.zeros(()))


class HamiltonianModel(eqx.Module):
    """A model of the Kohn-Sham matrix of a molecule in one orbital basis, from its atoms alone.

        F = sym(F⁰ + D),   D_ij = Σ_c a_ic b_jc Σ_lm ⟨l_i m_i, l_j m_j | lm⟩ w_AB,lc p_AB,lmc
        p_AB = 2 σ(s_AB) Σ_paths g_path R_path(r_AB) [features(A)_l₁ ⊗ Y_l₂(r_AB)]_l

    for i on atom A and j on B; for A = B, p_AA is the sum of the p_AB of all B. A network of the
    invariants of both atoms gives the weights w and the gate 2 σ(s) of a pair, which is that of B
    and A too. F⁰ is given, as is that of the atoms' densities, or is an extended Hückel matrix: the
    mean blocks of each element, and between atoms 1.75 times the mean of two levels times the
    overlap. A path is a triple (l₁, l₂, l) of angular momenta with a gate g. `prune` keeps the
    paths, and in each molecule the pairs, with the largest gates and skips the work of all others.
    The matrix rotates with the molecule, but is specific to the basis that it was trained in. From
    l₁ = 4 on the products are found in the frame of each pair, by convolutions in SO(2): the same
    numbers in less time, with derivatives at every direction.

    **Arguments:**

    - `examples`: the molecules to train with, all in the basis to learn: all elements, and all
        pairs of neighbours, that are in them are supported.
    - `channels`: copies of each angular momentum.
    - `radial`: number of radial Gaussians.
    - `cutoff`: distance beyond which atoms do not interact, in Bohr.
    - `width`: of the networks of the gates.
    - `layers`: 1 for features of an atom and its neighbours, 2 with those that these see.
    - `key`: PRNG key of the initial weights.

    Call it with a `Molecule` and, if there is one, F⁰ in Hartree, (nao, nao), from
    `fixed_density_hamiltonian`; it returns (nao, nao) in Hartree. `jsci.pure` splits it into a
    function and its parameters for `fit`.

    **Raises:** `ValueError` without examples, for Cartesian bases, or for sizes that are not
    positive; when called, for higher angular momenta. An element or a shell that is in no example
    gives NaN; of neighbours and charges that are in none, a call outside of `jit` warns.

    **Good values:** the defaults for a few hundred small molecules. F⁰ of the atoms' densities
    costs a Fock matrix, and leaves less to learn; without it, call `set_blocks` before training.

    **Source:** gates after Luo et al., ICML 2025 (SPHNet), trained by `sparse_gates`; features as
    in `DensityModel`; Passaro & Zitnick, ICML 2023 (eSCN) for the frames of pairs; Wolfsberg &
    Helmholz, J. Chem. Phys. 20, 837 (1952) for F⁰.

    ```python
    f, params = jsci.pure(jsci.dft.HamiltonianModel([water], key=jax.random.key(0)))
    guess = jsci.dft.hamiltonian_guess(water, f(params, water))
    ```
    """

    atoms: AtomFeatures
    project: Float[Array, "lmax features channels"]
    paths: dict[tuple[int, int, int], Path]
    within: Float[Array, "lmax channels"]
    around: Float[Array, "twice_lmax channels"]
    left: Float[Array, "elements lmax shells channels"]
    right: Float[Array, "elements lmax shells channels"]
    blocks: Float[Array, "elements lmax shells shells"]
    network: PairNetwork
    shells: tuple[int, ...] = eqx.field(static=True)  # of each angular momentum, on an atom

    def __init__(
        self,
        examples: Sequence[Molecule],
        *,
        channels: int = 16,
        radial: int = 8,
        cutoff: float = 8.0,
        width: int = 32,
        layers: int = 2,
        key: PRNGKeyArray,
    ):
        if not examples:
            raise ValueError("HamiltonianModel() needs examples: at least one molecule.")
        if any(m.basis.cartesian for m in examples):
            raise ValueError("HamiltonianModel() needs a spherical basis, got a Cartesian one.")
        self.shells = shells = shells_of([m.basis for m in examples])
        key, *keys = jax.random.split(key, 7)
        self.atoms = AtomFeatures(
            [nuclei_of(m) for m in examples], len(shells) - 1, channels=channels, radial=radial,
            cutoff=cutoff, width=width, layers=layers, key=key,
        )  # fmt: skip
        e, l, s = len(self.atoms.elements), len(shells), max(shells)
        triples = coupled_degrees(l - 1)

        def normal(key, *shape, scale):
            return scale * jax.random.normal(key, shape, jnp.float64)

        self.project = normal(keys[0], l, self.atoms.size, channels, scale=self.atoms.size**-0.5)
        gate = jnp.asarray(len(triples) ** -0.5)
        weights = normal(keys[1], len(triples), radial, channels, scale=1.0)
        ways = zip(triples, weights, strict=True)
        self.paths = {t: Path(gate, w, jnp.ones(())) for t, w in ways}
        self.within = normal(keys[2], l, channels, scale=1.0)
        self.around = jnp.ones((2 * l - 1, channels))
        self.left = normal(keys[3], e, l, s, channels, scale=channels**-0.25)
        self.right = normal(keys[4], e, l, s, channels, scale=0.1 * channels**-0.25)
        self.blocks = jnp.zeros((e, l, s, s))
        self.network = pair_network(self.atoms.size, radial, width, 2 * l - 1, channels, keys[5])

    def __call__(
        self, molecule: Molecule, base: Float[Array, "nao nao"] | None = None
    ) -> Float[Array, "nao nao"]:
        if molecule.basis.lmax > self.atoms.lmax or molecule.basis.cartesian:
            raise ValueError("the molecule is not in the basis of this model's examples.")
        of_shell = self.shell(molecule)
        element = jnp.argmax(self.atoms.one_hot(nuclei_of(molecule)), axis=1)
        pairs = self._pairs(molecule)
        blocks = pair_blocks(pairs, self.left[element], self.right[element], self.shells)
        change = functions_of(blocks, molecule.basis, self.shells)
        whole = (self._mean(molecule) if base is None else base) + change
        # A shell that is in no example means another basis.
        known = of_shell[2] < jnp.array(self.shells)[of_shell[1]]
        whole = jnp.where(known[:, None] & known[None], 0.5 * (whole + whole.T), jnp.nan)
        # Padding is decoupled from all other functions, and unoccupied.
        real = molecule.basis_mask
        padding = jnp.diag(jnp.diagonal(molecule.core_hamiltonian))
        return jnp.where(real[:, None] & real[None], whole, padding)

    def _pairs(self, molecule: Molecule) -> Float[Array, "twice_lm 2 channels A B"]:
        """w p_AB, even and odd; on the diagonal, A itself and the sum over all B."""
        nuclei = nuclei_of(molecule)
        features = self.atoms(nuclei)
        unit, radial = self.atoms.edges(nuclei)
        weights, score = self.network(features[:, 0], radial)
        own, all_of = degrees(self.atoms.lmax), degrees(2 * self.atoms.lmax)
        features = jnp.einsum("amf,mfc->mca", features, self.project[own])
        near = jnp.any(radial > 0, axis=-1)
        a, b, kept = _strongest(self.network.order(score), near, self.network.share)
        strength = radial[a, b] * (kept * 2 * jax.nn.sigmoid(score[a, b]))[:, None]
        multiply = edge_products if self.atoms.lmax >= _TURNED else full_products
        paths = paths_of_pairs(self.paths, self.atoms.lmax)
        products = multiply(paths, features, a, unit[:, a, b], strength)
        pairs = _placed(products, a, b, len(near))
        summed = jnp.sum(pairs, axis=-1) * self.around[all_of][:, None, :, None]
        alone = features * self.within[own][:, :, None]
        summed = summed.at[np.arange(len(own)), own % 2].add(alone)
        same = jnp.eye(len(near), dtype=bool)[None, None, None]
        pairs = jnp.where(same, summed[..., None], pairs)
        return pairs * weights[all_of][:, None]

    def _mean(self, molecule: Molecule) -> Float[Array, "nao nao"]:
        """F⁰."""
        atom, angular = molecule.basis.atom, molecule.basis.angular
        shells = self.shell(molecule)
        level = self.blocks[*shells, shells[-1]]
        coupled = 0.5 * _COUPLING * (level[:, None] + level[None]) * molecule.overlap
        own = jnp.where(angular[:, None] == angular[None], self.blocks[_pairs_of(shells)], 0)
        return jnp.where(atom[:, None] == atom[None], own, coupled)

    def shell(self, molecule: Molecule) -> tuple[Int[Array, " nao"], ...]:
        """Element, angular momentum and rank of the shell of each basis function."""
        basis = molecule.basis
        element = jnp.argmax(self.atoms.one_hot(nuclei_of(molecule)), axis=1)[basis.atom]
        return element, jnp.asarray(degrees(self.atoms.lmax))[basis.angular], basis.rank


def nuclei_of(m: Molecule) -> Nuclei:
    """The atoms of a molecule."""
    charge = jnp.sum(m.charges) - jnp.sum(m.electrons)
    return Nuclei(m.coordinates, m.libcint.elements, m.charges, m.atom_mask, charge)


def _strongest(
    order: Float[Array, "A B"], near: Bool[Array, "A B"], keep: float
) -> tuple[Int[Array, " pairs"], Int[Array, " pairs"], Bool[Array, " pairs"]]:
    """The pairs with the largest order, a fraction of the near ones of this molecule.

    The fraction is that of its own pairs, so neither its batch nor its padding changes its result.
    Both directions of a pair are kept or left, or the order of the atoms would.
    """
    size = len(near)
    if keep == 1:
        index, kept = jnp.arange(size * size), near.ravel()
    else:
        once = jnp.triu(near, 1)
        most = math.ceil(keep * size * (size - 1) / 2)
        _, index = jax.lax.top_k(jnp.where(once, order, -jnp.inf).ravel(), most)
        kept = (jnp.arange(most) < jnp.ceil(keep * jnp.sum(once))) & once.ravel()[index]
        index = jnp.concatenate([index, index % size * size + index // size])
        kept = jnp.concatenate([kept, kept])
    return index // size, index % size, kept


def _placed(
    products: Float[Array, "lm 2 channels pairs"],
    a: Int[Array, " pairs"],
    b: Int[Array, " pairs"],
    size: int,
) -> Float[Array, "lm 2 channels A B"]:
    """Products in their places, and zeros in all others."""
    if len(a) < size * size:
        zero = jnp.zeros((*products.shape[:-1], 1), products.dtype)  # also of a lone atom
        place = jnp.full(size * size, len(a)).at[a * size + b].set(jnp.arange(len(a)))
        products = jnp.concatenate([products, zero], axis=-1)[..., place]
    return products.reshape(*products.shape[:-1], size, size)


def _pairs_of(shells):
    """Index into the blocks of two functions of one atom and one angular momentum."""
    element, l, rank = shells
    return element[:, None], l[:, None], rank[:, None], rank[None]


def hamiltonian(molecule: Molecule, result: SCFResult) -> Float[Array, "nao nao"]:
    """The Kohn-Sham matrix of a converged SCF, averaged over spins.

        F = S C ε Cᵀ S

    **Arguments:**

    - `molecule`: one; for a batch, `jsci.vmap` over stacked molecules and results.
    - `result`: of `scf` for this molecule.

    **Returns:** F in Hartree, (nao, nao).

    ```python
    F = jsci.dft.hamiltonian(water, jsci.dft.scf(water, pbe))
    ```
    """
    levels, orbitals = result.orbital_energies, result.orbitals
    if levels.ndim == 1:
        levels, orbitals = levels[None], orbitals[None]
    half = molecule.overlap @ orbitals
    return jnp.mean(half * levels[:, None] @ half.transpose(0, 2, 1), axis=0)


@eqx.filter_jit
def set_blocks(
    model: HamiltonianModel, molecules: Molecule, hamiltonians: Float[Array, "n nao nao"]
) -> HamiltonianModel:
    """The model with the mean blocks of each element as its initial prediction.

    **Arguments:**

    - `model`: a `HamiltonianModel`, before training.
    - `molecules`: n molecules, from `stack`.
    - `hamiltonians`: their Kohn-Sham matrices in Hartree, (n, nao, nao), from `hamiltonian`.

    **Returns:** a `HamiltonianModel`.

    ```python
    model = jsci.dft.HamiltonianModel([water], key=jax.random.key(0))
    F = jsci.dft.hamiltonian(water, result)
    model = jsci.dft.set_blocks(model, jsci.dft.stack([water]), F[None])
    ```
    """

    def sums(m: Molecule, matrix):
        atom, angular = m.basis.atom, m.basis.angular
        alike = (atom[:, None] == atom[None]) & (angular[:, None] == angular[None])
        alike = alike & m.basis_mask[:, None] & m.basis_mask[None]
        place = _pairs_of(model.shell(m))
        empty = jnp.zeros(model.blocks.shape)
        return empty.at[place].add(jnp.where(alike, matrix, 0)), empty.at[place].add(alike)

    total, count = jax.tree.map(
        lambda x: jnp.sum(x, axis=0), jax.vmap(sums)(molecules, hamiltonians)
    )
    return eqx.tree_at(lambda m: m.blocks, model, total / jnp.maximum(count, 1))


@memoised
def hamiltonian_error(f: Callable[..., Array]) -> Callable:
    """The error of the learned Kohn-Sham matrix, as a residual for `objective`.

        r_ij = (F(θ) - F)_ij / n,   ‖r‖² the mean square of the entries of an n × n matrix

    **Arguments:**

    - `f`: `f(params, molecule)` or `f(params, molecule, base) -> (nao, nao)`, from
        `jsci.pure(model)`.

    **Returns:** `r(params, (molecule, hamiltonian)) -> (nao²,)` in Hartree; for a model that starts
    from a given matrix, `r(params, (molecule, hamiltonian, base))`.

    ```python
    f, params = jsci.pure(jsci.dft.HamiltonianModel([water], key=jax.random.key(0)))
    loss = jsci.objective({"matrix": jsci.dft.hamiltonian_error(f)})
    data = {"matrix": (jsci.dft.stack([water]), jsci.dft.hamiltonian(water, result)[None])}
    jsci.fit(loss, params, data, optax.adam(1e-2), steps=100)
    ```
    """

    def residual(params: Any, sample: tuple[Any, ...]) -> Float[Array, " entries"]:
        return _error(f, params, sample).ravel() / jnp.sum(sample[0].basis_mask)

    return residual


@memoised
def orbital_error(f: Callable[..., Array], *, unoccupied: float = 0.1) -> Callable:
    """The error of the learned Kohn-Sham matrix between the true orbitals, for `objective`.

        r_pq = w_p w_q (Cᵀ F(θ) C - ε)_pq / √(n N_occ),   F C = S C ε

    Errors of entries may add up in the energies of orbitals, and mix occupied ones with others. It
    is these that matter for an SCF and for what is computed from the levels.

    **Arguments:**

    - `f`: as in `hamiltonian_error`.
    - `unoccupied`: w of the unoccupied orbitals; that of the occupied ones is 1.

    **Returns:** r in Hartree, (nao²,), of the same samples as `hamiltonian_error`.

    **Raises:** `ValueError` for a weight that is negative.

    **Good values:** beside `hamiltonian_error`, with a weight of 1.

    **Source:** the loss of Li et al., 2025 (WALoss, arXiv 2502.19227), with weights of our own.

    ```python
    f, params = jsci.pure(jsci.dft.HamiltonianModel([water], key=jax.random.key(0)))
    terms = {"matrix": jsci.dft.hamiltonian_error(f), "orbitals": jsci.dft.orbital_error(f)}
    loss = jsci.objective(terms)
    ```
    """
    if not unoccupied >= 0:
        raise ValueError(f"unoccupied is {unoccupied!r}; a weight is positive or zero.")

    def residual(params: Any, sample: tuple[Any, ...]) -> Float[Array, " entries"]:
        m, known = sample[:2]
        basis = orthonormal(m.overlap, m.dependent)
        orbitals = basis.x @ jnp.linalg.eigh(basis.fock(known))[1]
        filled = jnp.arange(m.size) < jnp.max(m.electrons)
        weight = jnp.where(filled, 1.0, unoccupied)
        error = orbitals.T @ _error(f, params, sample) @ orbitals * weight[:, None] * weight[None]
        return error.ravel() / jnp.sqrt(jnp.sum(m.basis_mask) * jnp.max(m.electrons))

    return residual


def _error(f, params, sample) -> Float[Array, "nao nao"]:
    molecule, known, *base = sample
    real = molecule.basis_mask[:, None] & molecule.basis_mask[None]
    return jnp.where(real, f(params, molecule, *base) - known, 0)
