"""Geometries: integrals at new positions, internal coordinates, relaxation and scans."""
