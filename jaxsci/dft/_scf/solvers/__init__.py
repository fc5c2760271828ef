"""The iterations that converge a self-consistent field."""
