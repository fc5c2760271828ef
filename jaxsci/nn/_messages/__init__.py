"""Pieces of networks that pass messages between atoms."""
