"""Layers that several networks are made of: convolutions, integrals, attention, conditioning."""
