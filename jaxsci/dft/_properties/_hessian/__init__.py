"""Second derivatives of the energy: what integrals, grid and density contribute, and their sum."""
