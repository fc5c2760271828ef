"""Fields from files: what holds arrays, and what the arrays in it mean."""
