"""The public names of jaxsci, which of them a file uses, and which are not fuzzed, and why."""

import ast
import importlib
import pkgutil
import types
from collections.abc import Iterator
from pathlib import Path

import jaxsci


def packages(package: types.ModuleType = jaxsci) -> Iterator[types.ModuleType]:
    """jaxsci and every public package in it."""
    yield package
    for found in pkgutil.iter_modules(package.__path__):
        if found.ispkg and not found.name.startswith("_"):
            yield from packages(importlib.import_module(f"{package.__name__}.{found.name}"))


def public_names() -> Iterator[str]:
    """Dotted names of everything that the packages for users offer, below `jaxsci`."""
    for package in packages():
        prefix = package.__name__.removeprefix("jaxsci").lstrip(".")
        if prefix in ("core", "numerics"):
            continue
        for name in package.__all__:
            if not isinstance(getattr(package, name), types.ModuleType):
                yield f"{prefix}.{name}".lstrip(".")


def used_names(source: Path) -> set[str]:
    """Of `jsci.pde.Box(...)`, and of `pde.Box(...)` after `from jaxsci import pde`, pde.Box."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        chain = []
        while isinstance(node, ast.Attribute):
            chain.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            chain = chain if node.id == "jsci" else [node.id, *chain]
            found |= {".".join(chain[: i + 1]) for i in range(len(chain))}
    return found


# What is not called with arbitrary input, and why.
EXEMPT = {
    "what a public function returns": """
        BatchResiduals Fit Laplace Objective PlatformReport dft.Auxiliary dft.DensityCorrection
        dft.Dispersion dft.Functional dft.MolecularDensity dft.Molecule dft.Reaction dft.Derivatives
        atoms.Batch atoms.Dynamics atoms.Frame atoms.Graph atoms.Labels atoms.Properties
        analysis.Basis analysis.BlockModel analysis.Consensus analysis.Factorisation
        analysis.MeshLaplacian analysis.Group analysis.Match analysis.Place
        analysis.Units analysis.Unproved
        atoms.EquationOfState atoms.ForceConstants atoms.Heat atoms.Relaxed atoms.State
        atoms.Band
        atoms.Selection
        dft.SCFResult dft.Sample dft.Relaxed dft.Scan dft.Stability dft.Thermochemistry
        dft.Vibrations dft.Excitations
        dft.constraints.Verdict dft.data.Curve dft.data.Dimer ntk.Criticality ntk.DeepLimit
        ntk.Moments ntk.Posterior ntk.Spectrum ntk.Susceptibilities
        ntk.infinite.AbstractLayer ntk.infinite.Kernels pde.Adversarial pde.Eigenproblem
         pde.Eigenpairs pde.LeastSquares pde.March pde.NetworkFeatures pde.PolynomialFeatures
         pde.RandomFeatures
         operators.Neighbours operators.Window operators.data.Mesh pde.SelfAdaptive pde.SpaceTime
        bayes.Beliefs bayes.Filtered bayes.Gaussian bayes.GaussianRoot bayes.HGF bayes.Kalman
        bayes.Observation bayes.Chain bayes.Chains bayes.Draws bayes.Health bayes.Langevin
        bayes.GaussianProcess bayes.Matched bayes.Prediction bayes.Prior
        bayes.Critic bayes.Hierarchical bayes.White
    """,
    "no array comes in: names, sizes, a PRNG key, or functions": """
        atoms.ani atoms.chgnet atoms.dpa3 dft.skala
        check_platform compilation_cache machine_memory peak_memory require_x64 dft.Newton
        dft.Criteria
        dft.as_functional dft.functional_names dft.constraint_table dft.constraints.constraint_table
        dft.constraints.hydrogen_atom dft.constraints.sample_features dft.data.atom_spins
        dft.data.dimers
        dft.data.dissociation_curve dft.data.buckets dft.message_size ntk.criticality
        ntk.deep_limit ntk.linear_kernel_variance ntk.optimal_activation ntk.relu_vertex
        operators.Basis operators.ChebyshevBasis operators.CosineBasis operators.FourierBasis
        operators.ProductBasis
        operators.SineBasis operators.SphereBasis
        operators.basis_points operators.data.advection operators.data.antiderivative
        operators.data.burgers operators.data.darcy operators.data.grf
        operators.data.kuramoto_sivashinsky operators.data.navier_stokes
        operators.data.shallow_water operators.data.shallow_water_sphere
        operators.data.barotropic_sphere operators.metrics.latitude_weights
        operators.Sphere operators.sphere_grid pde.gauss_legendre
        pde.graded pde.polynomial_features pde.random_directions pde.random_features
        pde.reference.chebyshev pde.reference.manufactured
        pde.reference.poisson_chebyshev pde.reference.well_energies pde.with_directions
        pde.joint pde.require_smooth residual
    """,
    "NaN is missing there, and a graph is refused: tested in tests/bayes/filters": """
        bayes.Family bayes.Node bayes.filter bayes.hgf bayes.kalman bayes.multivariate_normal
    """,
    "networks and their units, on the host: tested in tests/analysis/units": """
        analysis.units analysis.permute analysis.match analysis.activations
        analysis.correspond analysis.merge analysis.grow analysis.combine
    """,
    "votes and meshes, numbered on the host: tested in tests/analysis": """
        analysis.consensus analysis.functional_map analysis.pointwise analysis.zoomout
    """,
    "training: what comes in is that of an objective": """
        bayes.chains bayes.critic bayes.draws bayes.gaussian_process bayes.hierarchical
        bayes.langevin bayes.match_prior bayes.prior
        atoms.frozen atoms.minibatches atoms.property_errors
        Anderson DIIS EarlyStopping averaged fit gauss_newton levenberg_marquardt natural_gradient
        dft.Validation dft.training_report pde.adversarial pde.residual_adaptive
        pde.self_adaptive pde.sobolev_gradient pde.eigenproblem pde.rayleigh_quotient
        pde.least_squares pde.march pde.eigenpairs pde.network_features
        dft.coefficient_error dft.density_error dft.energy_error dft.force_error dft.guess_error
        dft.hamiltonian_error dft.mixed_error dft.reaction_error dft.self_consistency_error
        dft.derivative_error dft.orbital_error dft.relaxation_error
    """,
    "structures, on the host: what they refuse is tested in tests/atoms/structure": """
        atoms.Atoms atoms.calculator atoms.mesh atoms.write_phonopy
        atoms.NeighbourList atoms.batch atoms.composition_energies atoms.from_ase
        atoms.label atoms.neighbours atoms.read atoms.to_ase atoms.write
        atoms.interpolate
    """,
    "files: what they hold is fuzzed in tests/core/files/test_io.py and by read_xyz": """
        load save dft.read_xyz_frames
    """,
    "a file of weights: what it refuses is tested in tests/dft/functionals/test_skala.py": """
        dft.read_skala
    """,
    "data sets of files: what they refuse is tested in tests/operators/data": """
        operators.data.Normaliser operators.data.Trajectories operators.data.read
        operators.data.read_mesh
    """,
    "points on the host, which nothing traces: tested in tests/operators/fields": """
        operators.cell_weights operators.point_weights
    """,
    "a figure of arrays on the host: tested in tests/operators/forecast": """
        operators.plot_forecast
    """,
    "a figure of a function: tested in tests/pde/methods": """
        pde.plot_solution
    """,
    "PySCF on the host, with the molecules that molecule() is fuzzed with": """
        dft.molecules dft.reference_densities dft.reference_energies dft.pair_potentials
        dft.auxiliary dft.stack_auxiliary dft.with_pair_potentials dft.stack
        dft.to_pyscf dft.from_pyscf dft.to_pyscf_xc dft.calculator
        dft.cube dft.write_cube dft.chelpg_charges
        dft.pad_to_buckets dft.write_xyz
    """,
    "made of parts that are fuzzed, or around them": """
        atoms.elastic_constants atoms.force_constants atoms.langevin atoms.langevin_cell
        atoms.nose_hoover atoms.phonons atoms.properties atoms.relax atoms.simulate
        atoms.elastic_band atoms.thermal_velocities atoms.verlet atoms.with_references
        dft.DensityModel dft.density_guess dft.dispersion_tail dft.exchange_energy_density
        dft.feature_functional dft.fit_density dft.hamiltonian dft.hamiltonian_guess
        dft.HamiltonianModel dft.local_hybrid dft.message_functional dft.nonlocal_functional
        dft.prune dft.set_blocks dft.set_means dft.weighted_functional dft.training_batch
        dft.sparse_gates
        dft.reaction dft.reference_derivatives dft.data.minibatch dft.hessian
        dft.polarisability dft.stability dft.relax dft.scan dft.vibrations dft.excitations
        dft.stable_scf nn.Dense ntk.Features ntk.FourierNeuronFeatures ntk.bundle
        ntk.infinite.monte_carlo operators.Attention operators.BallIntegral pde.Difference
        pde.Cylinder pde.Ellipse pde.Intersection pde.PointCloud pde.Polygon pde.Torus pde.Union
        pde.causal_loss pde.integral pde.interface
        pde.robin
    """,
}
