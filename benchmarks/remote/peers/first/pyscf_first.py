"""PySCF in a new process: the first field, or its largest force, of a molecule."""

import json
import sys

import numpy as np
from pyscf import dft, gto

quantity, basis, grid, atoms = sys.argv[1:]
field = dft.RKS(gto.M(atom=atoms, basis=basis, verbose=0))
field.xc, field.grids.level, field.conv_tol = "pbe", int(grid), 1e-9
value = field.run().e_tot
if quantity == "forces":
    value = float(np.abs(field.nuc_grad_method().kernel()).max())
print(json.dumps(value))
