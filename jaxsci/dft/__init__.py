"""Kohn-Sham density functional theory: molecules as arrays, differentiable and batched."""

from . import constraints as constraints, data as data
from ._functionals.dispersion import dispersion_tail as dispersion_tail
from ._functionals.exact_exchange_density import (
    exchange_energy_density as exchange_energy_density,
    pair_potentials as pair_potentials,
)
from ._functionals.messages import (
    message_functional as message_functional,
    message_size as message_size,
)
from ._functionals.neural import (
    descriptors as descriptors,
    neural_exchange as neural_exchange,
    neural_functional as neural_functional,
    weighted_functional as weighted_functional,
)
from ._functionals.nonlocal_functional import (
    feature_functional as feature_functional,
    local_hybrid as local_hybrid,
    nonlocal_functional as nonlocal_functional,
    with_pair_potentials as with_pair_potentials,
)
from ._learned.auxiliary_density import (
    Auxiliary as Auxiliary,
    auxiliary as auxiliary,
    fit_density as fit_density,
    stack_auxiliary as stack_auxiliary,
)
from ._learned.density_model import (
    DensityModel as DensityModel,
    coefficient_error as coefficient_error,
    guess_error as guess_error,
    set_means as set_means,
)
from ._learned.guesses import density_guess as density_guess, hamiltonian_guess as hamiltonian_guess
from ._learned.hamiltonian_model import (
    HamiltonianModel as HamiltonianModel,
    hamiltonian as hamiltonian,
    hamiltonian_error as hamiltonian_error,
    prune as prune,
    set_blocks as set_blocks,
)
from ._properties.forces import forces as forces
from ._properties.hessian import hessian as hessian
from ._properties.moments import (
    dipole as dipole,
    mulliken_charges as mulliken_charges,
    polarisability as polarisability,
)
from ._scf.fixed_density import (
    DensityCorrection as DensityCorrection,
    density_corrected_energy as density_corrected_energy,
    fixed_density_energy as fixed_density_energy,
    harris_energy as harris_energy,
)
from ._scf.scf import SCFResult as SCFResult, energy as energy, scf as scf
from ._scf.solvers.options import DIIS as DIIS, Newton as Newton
from ._scf.stability import Stability as Stability, stability as stability, stable_scf as stable_scf
from ._system.molecule import Molecule as Molecule, molecule as molecule
from ._system.molecules import molecules as molecules
from ._system.stack import stack as stack
from ._system.xyz import read_xyz as read_xyz, read_xyz_frames as read_xyz_frames
from ._training.early_stopping import Validation as Validation
from ._training.reference import (
    reference_densities as reference_densities,
    reference_energies as reference_energies,
)
from ._training.residuals import (
    density_error as density_error,
    energy_error as energy_error,
    force_error as force_error,
    mixed_error as mixed_error,
    reaction_error as reaction_error,
    self_consistency_error as self_consistency_error,
)
from ._training.samples import (
    Reaction as Reaction,
    Sample as Sample,
    reaction as reaction,
    training_batch as training_batch,
    training_report as training_report,
)
from ._xc import (
    Functional as Functional,
    as_functional as as_functional,
    functional_names as functional_names,
    xc as xc,
)
from ._xc.density import MolecularDensity as MolecularDensity
from ._xc.features import Features as Features
from .constraints import constraint_table as constraint_table
