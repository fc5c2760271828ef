"""Kohn-Sham density functional theory: molecules as arrays, differentiable and batched."""

from . import constraints, data
from ._dispersion.dispersion import Dispersion, d3, d4
from ._functionals.dispersion_tail import dispersion_tail
from ._functionals.exact_exchange_density import exchange_energy_density, pair_potentials
from ._functionals.messages import message_functional, message_size
from ._functionals.neural import (
    descriptors,
    neural_exchange,
    neural_functional,
    weighted_functional,
)
from ._functionals.nonlocal_functional import (
    feature_functional,
    local_hybrid,
    nonlocal_functional,
    with_pair_potentials,
)
from ._functionals.skala import skala
from ._functionals.skala_weights import read_skala
from ._interfaces.calculator import calculator
from ._interfaces.pyscf_mean_field import from_pyscf, to_pyscf
from ._interfaces.pyscf_xc import to_pyscf_xc
from ._interfaces.write_xyz import write_xyz
from ._learned.auxiliary_density import Auxiliary, auxiliary, fit_density, stack_auxiliary
from ._learned.density_model import DensityModel, coefficient_error, guess_error, set_means
from ._learned.guesses import density_guess, hamiltonian_guess
from ._learned.hamiltonian_model import (
    HamiltonianModel,
    hamiltonian,
    hamiltonian_error,
    orbital_error,
    set_blocks,
)
from ._learned.sparsity import prune, sparse_gates
from ._properties._analysis.cube import cube, write_cube
from ._properties._analysis.esp import chelpg_charges
from ._properties._analysis.fields import density_at, orbitals_at, potential_at
from ._properties._analysis.hirshfeld import hirshfeld_charges
from ._properties._analysis.populations import (
    loewdin_charges,
    mayer_bond_orders,
    spin_populations,
    wiberg_bond_orders,
)
from ._properties._excitations.excitations import Excitations, excitations
from ._properties._geometry.optimiser import Criteria
from ._properties._geometry.relax import Relaxed, relax
from ._properties._geometry.scan import Scan, scan
from ._properties._hessian.hessian import hessian
from ._properties._spectra.thermochemistry import Thermochemistry
from ._properties._spectra.vibrations import Vibrations, vibrations
from ._properties.forces import forces
from ._properties.moments import dipole, mulliken_charges, polarisability
from ._scf.fixed_density import (
    DensityCorrection,
    density_corrected_energy,
    fixed_density_energy,
    fixed_density_hamiltonian,
    harris_energy,
)
from ._scf.scf import SCFResult, energy, scf
from ._scf.solvers.options import DIIS, Newton
from ._scf.stability import Stability, stability, stable_scf
from ._system.buckets import pad_to_buckets
from ._system.molecule import Molecule, molecule
from ._system.molecules import molecules
from ._system.stack import stack
from ._system.xyz import read_xyz, read_xyz_frames
from ._training.distillation import Derivatives, derivative_error, reference_derivatives
from ._training.early_stopping import Validation
from ._training.reference import reference_densities, reference_energies
from ._training.residuals import (
    density_error,
    energy_error,
    force_error,
    mixed_error,
    reaction_error,
    relaxation_error,
    self_consistency_error,
)
from ._training.samples import Reaction, Sample, reaction, training_batch, training_report
from ._xc import Functional, as_functional, functional_names, xc
from ._xc.density import MolecularDensity
from ._xc.features import Features
from .constraints import constraint_table

__all__ = [
    # Packages
    "constraints", "data",
    # Molecules
    "molecule", "Molecule", "molecules", "stack", "pad_to_buckets", "read_xyz", "read_xyz_frames",
    "write_xyz",
    # Functionals
    "xc", "functional_names", "Functional", "as_functional", "Features", "MolecularDensity",
    # Dispersion
    "d3", "d4", "Dispersion",
    # Self-consistent fields
    "scf", "SCFResult", "DIIS", "Newton", "energy", "stable_scf", "stability", "Stability",
    # Energies at a given density
    "fixed_density_energy", "harris_energy", "density_corrected_energy", "DensityCorrection",
    # Properties
    "forces", "hessian", "dipole", "polarisability", "mulliken_charges",
    # Charges, bonds, and values in space
    "loewdin_charges", "hirshfeld_charges", "chelpg_charges", "spin_populations",
    "mayer_bond_orders", "wiberg_bond_orders", "density_at", "orbitals_at", "potential_at", "cube",
    "write_cube",
    # Other programs
    "to_pyscf", "from_pyscf", "to_pyscf_xc", "calculator",
    # Geometries
    "relax", "Relaxed", "Criteria", "scan", "Scan",
    # Spectra
    "vibrations", "Vibrations", "Thermochemistry", "excitations", "Excitations",
    # Machine-learned functionals
    "neural_functional", "neural_exchange", "weighted_functional", "descriptors",
    "message_functional", "message_size", "dispersion_tail", "local_hybrid", "nonlocal_functional",
    "feature_functional", "skala", "read_skala", "exchange_energy_density", "pair_potentials",
    "with_pair_potentials",
    # Training
    "training_batch", "Sample", "reaction", "Reaction", "energy_error", "density_error",
    "force_error", "mixed_error", "reaction_error", "self_consistency_error", "relaxation_error",
    "derivative_error", "reference_derivatives", "Derivatives", "training_report", "Validation",
    # Reference data
    "reference_energies", "reference_densities",
    # Learned initial guesses
    "DensityModel", "density_guess", "coefficient_error", "guess_error", "set_means", "auxiliary",
    "Auxiliary", "fit_density", "stack_auxiliary", "HamiltonianModel", "hamiltonian",
    "hamiltonian_guess", "hamiltonian_error", "orbital_error", "fixed_density_hamiltonian", "prune",
    "set_blocks", "sparse_gates",
    # Exact constraints
    "constraint_table",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
