"""Features of a point, which networks take in its place."""
