"""Surfaces as triangle meshes, and maps between them."""
