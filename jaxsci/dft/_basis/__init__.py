"""Elements, basis functions, grids and integrals."""
