"""The energy of water in a new process, and that of other geometries and functionals after it."""

from benchmarks.cases._first_answer import first_answers
from benchmarks.runner.case import Case

PROGRAM = """
def water(stretch):
    angles = ((0.0, 0.0, 0.117), (0.0, 0.757 * stretch, -0.469), (0.0, -0.757 * stretch, -0.469))
    return jsci.dft.molecule(list(zip("OHH", angles)), "def2-svp", grid=2)

def energy(stretch, functional):
    return jsci.dft.scf(water(stretch), functional).energy

timed("first", energy, 1.0, "pbe")
timed("again", energy, 1.0, "pbe")
timed("another geometry", energy, 1.02, "pbe")
"""


def make(size):
    def error(values):
        return abs(values["first"] - values["kept: first"])

    return first_answers(PROGRAM, error, "H2O, PBE/def2-SVP, grid 2; the integrals are in the time")


CASES = [
    Case(
        "dft.first_answer",
        "dft",
        "The energy of water in a new process, and of another geometry",
        make,
        "full",
        reference="the same energy in the other process",
        error_name="Hartree",
        tolerance=1e-8,
    ),
]
