"""The published module of Skala in torch, with random weights, on densities made by PySCF."""

import sys
import types

import numpy as np


def module(seed: int):
    """In double precision; its package imports a downloader, which nothing here needs."""
    import torch

    hub = types.ModuleType("huggingface_hub")
    hub.hf_hub_download = None
    sys.modules.setdefault("huggingface_hub", hub)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        from skala.functional.model import SkalaFunctional

        torch.manual_seed(seed)
        found = SkalaFunctional()
        with torch.no_grad():  # biases and mixing as far from their start as other weights
            for parameter in found.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        return found
    finally:
        torch.set_default_dtype(before)


def state(network) -> dict[str, np.ndarray]:
    return {name: x.detach().numpy() for name, x in network.state_dict().items()}


def energy_and_potential(network, mol, density: np.ndarray, level: int):
    """E_xc and ∂E_xc/∂P of both spins; grid and basis functions by PySCF."""
    import torch
    from pyscf import dft
    from skala.features import Feature

    grids = dft.gen_grid.Grids(mol)
    grids.level = level
    tables = grids.gen_atomic_grids(mol, level=level)
    points, weights = grids.get_partition(
        mol, tables, grids.radii_adjust, grids.atomic_radii, concat=True
    )
    sizes = [len(tables[mol.atom_symbol(i)][1]) for i in range(mol.natm)]
    own = np.concatenate([tables[mol.atom_symbol(i)][1] for i in range(mol.natm)])
    ao = torch.tensor(dft.numint.eval_ao(mol, points, deriv=1))
    p = torch.tensor(np.asarray(density), requires_grad=True)
    half = torch.einsum("sij,xgj->sxgi", p, ao)
    rho = torch.einsum("gi,sgi->sg", ao[0], half[:, 0])
    gradient = 2 * torch.einsum("gi,sxgi->sxg", ao[0], half[:, 1:])
    tau = 0.5 * torch.einsum("xgi,sxgi->sg", ao[1:], half[:, 1:])
    features = {
        Feature.DENSITY: rho,
        Feature.GRAD: gradient,
        Feature.KIN: tau,
        Feature.GRID_COORDS: torch.tensor(points),
        Feature.GRID_WEIGHTS: torch.tensor(weights),
        Feature.ATOMIC_GRID_WEIGHTS: torch.tensor(own),
        Feature.ATOMIC_GRID_SIZES: torch.tensor(sizes),
        Feature.COARSE_0_ATOMIC_COORDS: torch.tensor(mol.atom_coords()),
        Feature.ATOMIC_GRID_SIZE_BOUND_SHAPE: torch.zeros(max(sizes), 0),
    }
    energy = network.get_exc(features)
    (potential,) = torch.autograd.grad(energy, p)
    potential = potential.numpy()
    return energy.item(), 0.5 * (potential + potential.transpose(0, 2, 1))
