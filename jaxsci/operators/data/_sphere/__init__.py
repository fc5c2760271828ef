"""Flows on a sphere, from a key."""
