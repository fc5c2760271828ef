"""A few common shapes for many molecules, so that a few programs serve them all."""

import numbers
from collections.abc import Sequence

import jax

from ...core import machine_memory
from .grouping import groups
from .molecule import Molecule
from .stack import Sizes, pad


def pad_to_buckets(molecules: Sequence[Molecule], buckets: int) -> list[Molecule]:
    """Pad molecules to a few common shapes, so that a few compiled programs serve them all.

    A jitted function is compiled once for each shape of its arguments. The shapes are chosen for
    these molecules: buckets that cost the least additional work when joined are joined, until few
    enough are left. Padding changes no result but for rounding, as in `stack`.

    **Arguments:**

    - `molecules`: n molecules, not stacked; `None` in the place of one that failed stays.
    - `buckets`: the largest number of shapes, at least 1.

    **Returns:** the n molecules in the same order, in at most `buckets` shapes. Arrays over atoms
    and basis functions are longer than the molecule where it is padded: `atom_mask` and
    `basis_mask` are false there.

    **Raises:** `ValueError` for fewer than one bucket; for molecules that padding cannot make equal
    (full integrals and density fitting, say) and that are of more kinds than `buckets`; and for
    more than fits into memory.

    **Notes:** closed shells may share the shape of open ones, and are then unrestricted, if that
    costs less than to pad either further.

    **Good values:** 6 for molecules of 2 to 9 atoms, which makes each take about 1.2 times as long
    as by itself; more for a wider range of sizes, or where one computation takes longer than the
    compilation of its program.

    ```python
    padded = jsci.dft.pad_to_buckets([water, ammonia], 1)
    solve = jax.jit(lambda m: jsci.dft.scf(m, pbe, throw=False).energy)
    energies = [solve(m) for m in padded]  # compiles one program
    ```
    """
    check_buckets(buckets)
    there = [i for i, m in enumerate(molecules) if m is not None]
    padded = list(molecules)
    shared = [[there[k] for k in g] for g in groups([molecules[i] for i in there], buckets)]
    _check_memory([[molecules[i] for i in group] for group in shared])
    for group in shared:
        sizes = Sizes([molecules[i] for i in group])
        for i in group:
            padded[i] = pad(molecules[i], sizes)
    return padded


def check_buckets(buckets: int) -> None:
    """Refuse what is not a number of shapes."""
    if not isinstance(buckets, numbers.Integral) or isinstance(buckets, bool) or buckets < 1:
        raise ValueError(f"buckets is a number of shapes, at least 1, got {buckets!r}.")


def _check_memory(shared: list[list[Molecule]]) -> None:
    """The largest of each group tells what every one of it takes, about."""
    need = sum(len(group) * max(map(_bytes, group)) for group in shared)
    have = machine_memory()
    if need > have:
        raise ValueError(
            f"{sum(map(len, shared))} molecules padded to {len(shared)} shapes take "
            f"{need / 2**30:.3g} GiB, and there are {have / 2**30:.3g}: take more buckets, or "
            "fewer molecules at once."
        )


def _bytes(molecule: Molecule) -> int:
    return sum(x.nbytes for x in jax.tree.leaves(molecule))
