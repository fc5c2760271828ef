"""Atoms: structures, interatomic potentials that train, and what one does with them.

Energies are in eV, lengths in Å.
"""

from ._dynamics.barostat import langevin_cell
from ._dynamics.elastic_band import Band, elastic_band, interpolate
from ._dynamics.relax import Relaxed, relax
from ._dynamics.simulate import simulate
from ._dynamics.state import Dynamics, State, thermal_velocities
from ._dynamics.thermostats import langevin, nose_hoover
from ._dynamics.verlet import verlet
from ._files.extxyz import write
from ._files.phonopy import write_phonopy
from ._files.read import read
from ._potentials.active_learning import Selection, select
from ._potentials.frozen import frozen
from ._potentials.graph_potential import GraphPotential
from ._potentials.lennard_jones import lennard_jones
from ._potentials.line_graph.potential import LineGraphPotential
from ._potentials.minibatches import minibatches
from ._potentials.point_charges import point_charges
from ._potentials.property_errors import property_errors
from ._potentials.published.ani import ani
from ._potentials.published.chgnet import chgnet
from ._potentials.published.dpa3 import dpa3
from ._potentials.reference_energies import composition_energies, with_references
from ._potentials.stillinger_weber import stillinger_weber
from ._properties.calculator import calculator
from ._properties.elastic_constants import elastic_constants
from ._properties.equation_of_state import EquationOfState, equation_of_state
from ._properties.force_constants import ForceConstants, force_constants
from ._properties.phonons import Heat, harmonic_heat, mesh, phonon_density, phonons
from ._properties.properties import Properties, properties
from ._structure.ase_atoms import from_ase, label, to_ase
from ._structure.atoms import Atoms
from ._structure.batch import Batch, Labels, batch
from ._structure.frame import Frame
from ._structure.graph import Graph
from ._structure.neighbour_list import NeighbourList
from ._structure.neighbours import neighbours

__all__ = [
    # Structures
    "Atoms", "Graph", "neighbours", "NeighbourList", "batch", "Batch", "Labels",
    # Files and ASE
    "read", "write", "Frame", "from_ase", "to_ase", "label", "calculator", "write_phonopy",
    # Energies and their derivatives
    "properties", "Properties",
    # Crystals
    "force_constants", "ForceConstants", "phonons", "mesh", "phonon_density", "harmonic_heat",
    "Heat", "elastic_constants", "equation_of_state", "EquationOfState",
    # Relaxation and dynamics
    "relax", "Relaxed", "verlet", "langevin", "nose_hoover", "langevin_cell", "thermal_velocities",
    "simulate", "Dynamics", "State", "elastic_band", "interpolate", "Band",
    # Potentials
    "lennard_jones", "stillinger_weber", "point_charges", "composition_energies", "with_references",
    "GraphPotential", "LineGraphPotential", "chgnet", "ani", "dpa3",
    # Training
    "property_errors", "minibatches", "frozen", "select", "Selection",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
