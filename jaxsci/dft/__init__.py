"""Kohn-Sham density functional theory: molecules as arrays, differentiable and batched."""

from . import constraints as constraints, data as data
from .auxiliary_density import (
    Auxiliary as Auxiliary,
    auxiliary as auxiliary,
    fit_density as fit_density,
    stack_auxiliary as stack_auxiliary,
)
from .batch import stack as stack
from .building import molecules as molecules
from .constraints import constraint_table as constraint_table
from .density_model import (
    DensityModel as DensityModel,
    coefficient_error as coefficient_error,
    guess_error as guess_error,
    set_means as set_means,
)
from .dispersion_tail import dispersion_tail as dispersion_tail
from .features import Features as Features
from .fixed_density import (
    DensityCorrection as DensityCorrection,
    density_corrected_energy as density_corrected_energy,
    fixed_density_energy as fixed_density_energy,
    harris_energy as harris_energy,
)
from .forces import forces as forces
from .hamiltonian_model import (
    HamiltonianModel as HamiltonianModel,
    hamiltonian as hamiltonian,
    hamiltonian_error as hamiltonian_error,
    prune as prune,
    set_blocks as set_blocks,
)
from .hessian import hessian as hessian
from .learned_guess import (
    density_guess as density_guess,
    hamiltonian_guess as hamiltonian_guess,
)
from .local_exchange import (
    exchange_energy_density as exchange_energy_density,
    pair_potentials as pair_potentials,
)
from .message_passing import (
    message_functional as message_functional,
    message_size as message_size,
)
from .molecular_density import MolecularDensity as MolecularDensity
from .molecule import Molecule as Molecule, molecule as molecule
from .neural import (
    descriptors as descriptors,
    neural_exchange as neural_exchange,
    neural_functional as neural_functional,
    weighted_functional as weighted_functional,
)
from .nonlocal_functional import (
    feature_functional as feature_functional,
    local_hybrid as local_hybrid,
    nonlocal_functional as nonlocal_functional,
    with_pair_potentials as with_pair_potentials,
)
from .properties import (
    dipole as dipole,
    mulliken_charges as mulliken_charges,
    polarisability as polarisability,
)
from .reference import (
    reference_densities as reference_densities,
    reference_energies as reference_energies,
)
from .residuals import (
    density_error as density_error,
    energy_error as energy_error,
    force_error as force_error,
    mixed_error as mixed_error,
    reaction_error as reaction_error,
    self_consistency_error as self_consistency_error,
)
from .scf import SCFResult as SCFResult, energy as energy, scf as scf
from .stability import (
    Stability as Stability,
    stability as stability,
    stable_scf as stable_scf,
)
from .train import (
    Reaction as Reaction,
    Sample as Sample,
    reaction as reaction,
    training_batch as training_batch,
    training_report as training_report,
)
from .validation import Validation as Validation
from .xc import (
    Functional as Functional,
    as_functional as as_functional,
    functional_names as functional_names,
    xc as xc,
)
from .xyz import read_xyz as read_xyz, read_xyz_frames as read_xyz_frames
