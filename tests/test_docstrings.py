"""Every public docstring describes every parameter and field, and its examples run.

An example runs with the names that `docstring_names` has for its pillar, in an empty folder, and as
it is written but for two things: `fit` takes two steps at most, and molecules have a small basis.
Where a comment beside a line is a number, a text or a shape, it must be that of the line.
"""

import ast
import inspect
import io
import re
import tokenize

import docstring_names
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from public import EXEMPT, public_names

import jaxsci as jsci

# Examples of more than one CPU-second, compilation included; the others run in every CI.
SLOW = {
    "analysis.block_model",
    "analysis.factorise",
    "atoms.GraphPotential",
    "atoms.LineGraphPotential",
    "atoms.chgnet",
    "atoms.minibatches",
    "atoms.property_errors",
    "EarlyStopping",
    "Weighted",
    "atoms.langevin",
    "atoms.langevin_cell",
    "atoms.nose_hoover",
    "atoms.relax",
    "atoms.simulate",
    "atoms.verlet",
    "averaged",
    "dft.DIIS",
    "dft.DensityCorrection",
    "dft.DensityModel",
    "dft.HamiltonianModel",
    "dft.Newton",
    "dft.Relaxed",
    "dft.Stability",
    "dft.Validation",
    "dft.Vibrations",
    "dft.auxiliary",
    "dft.calculator",
    "dft.coefficient_error",
    "dft.constraint_table",
    "dft.data.dissociation_curve",
    "dft.data.minibatch",
    "dft.density_corrected_energy",
    "dft.density_guess",
    "dft.dispersion_tail",
    "dft.energy",
    "dft.exchange_energy_density",
    "dft.fixed_density_energy",
    "dft.fixed_density_hamiltonian",
    "dft.forces",
    "dft.from_pyscf",
    "dft.guess_error",
    "dft.hamiltonian_error",
    "dft.hamiltonian_guess",
    "dft.harris_energy",
    "dft.hirshfeld_charges",
    "dft.hessian",
    "dft.local_hybrid",
    "dft.message_functional",
    "dft.mixed_error",
    "dft.molecule",
    "dft.molecules",
    "dft.neural_functional",
    "dft.orbital_error",
    "dft.polarisability",
    "dft.prune",
    "dft.reaction",
    "dft.reference_densities",
    "dft.reference_derivatives",
    "dft.reference_energies",
    "dft.relax",
    "dft.scf",
    "dft.set_blocks",
    "dft.set_means",
    "dft.skala",
    "dft.sparse_gates",
    "dft.spin_populations",
    "dft.stability",
    "dft.stable_scf",
    "dft.stack",
    "dft.stack_auxiliary",
    "dft.to_pyscf",
    "dft.to_pyscf_xc",
    "dft.training_batch",
    "dft.training_report",
    "dft.vibrations",
    "dft.with_pair_potentials",
    "fit",
    "fixed_point",
    "gauss_newton",
    "gram",
    "levenberg_marquardt",
    "natural_gradient",
    "nn.FourierFeatures",
    "nn.Hypernetwork",
    "nn.KAN",
    "nn.KANLayer",
    "nn.MLP",
    "nn.ModifiedMLP",
    "nn.PeriodicEmbedding",
    "nn.Separable",
    "ntk.ArcCosineNeuronFeatures",
    "ntk.BundledDense",
    "ntk.FourierNeuronFeatures",
    "ntk.bundle",
    "ntk.criticality",
    "ntk.infinite.monte_carlo",
    "ntk.predict",
    "ntk.random_features",
    "numerics.lowest_eigenpair",
    "objective",
    "operators.BallIntegral",
    "operators.Basis",
    "operators.BasisConv",
    "operators.ChebyshevBasis",
    "operators.DeepONet",
    "operators.DifferentialConv",
    "operators.FNO",
    "operators.GINO",
    "operators.GNO",
    "operators.KernelConv",
    "operators.MIONet",
    "operators.MgNO",
    "operators.PODDeepONet",
    "operators.SpectralConv",
    "operators.SpectralConv.at_points",
    "operators.SphericalConv",
    "operators.Transformer",
    "operators.UNO",
    "operators.UNet",
    "operators.VCycle",
    "operators.data.antiderivative",
    "operators.data.burgers",
    "operators.data.darcy",
    "operators.data.kuramoto_sivashinsky",
    "operators.data.navier_stokes",
    "operators.data.shallow_water",
    "operators.data.solve_burgers",
    "operators.data.solve_darcy",
    "operators.data.solve_navier_stokes",
    "operators.data.solve_shallow_water",
    "operators.h1",
    "operators.rollout",
    "operators.unrolled_loss",
    "pde.adversarial",
    "pde.causal_loss",
    "pde.eigenproblem",
    "pde.gradient_norm_weights",
    "pde.joint",
    "pde.laplace_deviation",
    "pde.random_directions",
    "pde.rayleigh_quotient",
    "pde.reference.burgers_cole_hopf",
    "pde.residual_adaptive",
    "pde.ritz",
    "pde.self_adaptive",
    "pde.sobolev_gradient",
    "pde.uniform",
    "pde.with_directions",
    "operators.Forecaster",
    "operators.Sphere",
    "operators.VariableTokens",
    "operators.data.barotropic_sphere",
    "operators.data.shallow_water_sphere",
    "operators.data.solve_shallow_water_sphere",
}

RETURNED = EXEMPT["what a public function returns"].split()
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"^ *- ((?:`[^`]+`(?:, | and )?)+):", re.MULTILINE)
NUMBERS = re.compile(r"\(?(-?\d[\d.e+-]*(?:, -?\d[\d.e+-]*)*)(\.\.\.)?\)?")


def resolve(name):
    value = jsci
    for part in name.split("."):
        value = getattr(value, part)
    return value


def documented():
    """Names to what they are: each object once, those of `core` and `numerics` last."""
    names = [
        *public_names(),
        *(f"core.{name}" for name in jsci.core.__all__ if callable(getattr(jsci.core, name))),
        *(f"numerics.{name}" for name in jsci.numerics.__all__),
    ]
    first = {}
    for name in names:
        first.setdefault(id(resolve(name)), name)
    return {name: resolve(name) for name in first.values()}


DOCUMENTED = documented()


def parameters(value):
    """Those of a call: of a class without an `__init__` of its own, its fields."""
    try:
        return list(inspect.signature(value).parameters)
    except ValueError:
        return []


def described(text):
    """Names at the head of an item, such as "- `a`, `b`: ..."."""
    return {name for head in ITEM.findall(text) for name in re.findall(r"`\**(\w+)", head)}


def gaps(name):
    """What the docstring of a public name lacks."""
    value = DOCUMENTED[name]
    text = inspect.getdoc(value) or ""
    found = [p for p in parameters(value) if p not in described(text)]
    if not inspect.isclass(value):
        returns_nothing = inspect.signature(value).return_annotation is None
        found += [] if returns_nothing or "**Returns:**" in text else ["**Returns:**"]
    elif issubclass(value, tuple) or name in RETURNED:
        return found
    return found + ([] if BLOCK.search(text) else ["an example"])


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstrings_are_complete(name):
    if issubclass(type(DOCUMENTED[name]), type) and issubclass(DOCUMENTED[name], Exception):
        return
    assert gaps(name) == []


def test_slow_names_exist():
    assert not SLOW - set(EXAMPLES)


def examples():
    """Name to (pillar, source), for public names and the public methods of public classes."""
    found = {}
    for name, value in DOCUMENTED.items():
        texts = {name: inspect.getdoc(value) or ""}
        if inspect.isclass(value):
            own = {k: v for k, v in vars(value).items() if not k.startswith("_")}
            texts |= {f"{name}.{k}": inspect.getdoc(v) or "" for k, v in own.items()}
        pillar = value.__module__.split(".")[1]
        found |= {k: (pillar, "\n".join(b)) for k, t in texts.items() if (b := BLOCK.findall(t))}
    return found


EXAMPLES = examples()


class Small(ast.NodeTransformer):
    """Two steps of training, and the smallest basis."""

    def visit_Call(self, node):
        self.generic_visit(node)
        if ast.unparse(node.func) == "jsci.fit":
            for keyword in node.keywords:
                if keyword.arg == "steps":
                    keyword.value = ast.Constant(2)
        return node

    def visit_Constant(self, node):
        return ast.Constant("sto-3g") if node.value == "def2-svp" else node


def comments(source):
    """Line to the comment at its end."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string[1:].strip() for t in tokens if t.type == tokenize.COMMENT}


def check(comment, value, *, assigned):
    """Compare a value with the number, text or shape that the comment states, if it is one."""
    match = NUMBERS.fullmatch(comment)
    if comment.startswith('"'):
        assert str(value).startswith(comment.strip('"').removesuffix("..."))
    elif comment in ("True", "False"):
        assert str(value) == comment
    elif match and assigned and comment.startswith("("):
        assert jnp.shape(value) == tuple(map(int, match[1].split(", ")))
    elif match and not assigned:
        stated = match[1].split(", ")
        got = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(value)])
        for number, x in zip(stated, got, strict=True):
            digits = len(number.partition(".")[2].partition("e")[0])
            unit = 10.0**-digits * 10 ** float(number.partition("e")[2] or 0)
            assert abs(float(number) - x) <= unit * (1.0 if match[2] else 0.5001)


def run(source, names, where):
    stated = comments(source)
    for node in ast.parse(source).body:
        line = ast.fix_missing_locations(Small().visit(node))
        comment = stated.get(node.end_lineno, "")
        if isinstance(line, ast.Expr):
            value = eval(compile(ast.Expression(line.value), where, "eval"), names)
            check(comment, value, assigned=False)
        else:
            exec(compile(ast.Module([line], []), where, "exec"), names)
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                check(comment, names[line.targets[0].id], assigned=True)


def marked(name):
    return pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])


@pytest.mark.parametrize("name", [marked(name) for name in EXAMPLES])
@pytest.mark.filterwarnings(r"ignore:molecule\(charge_of=\) is deprecated")
def test_examples_run(name, tmp_path, monkeypatch):
    pillar, source = EXAMPLES[name]
    with jax.numpy_rank_promotion("allow"):  # users have JAX's defaults
        names = dict(docstring_names.of(pillar))
        monkeypatch.chdir(tmp_path)
        docstring_names.write_files(tmp_path)
        run(source, names, name)
