"""Evolution equations, slab by slab in time."""
