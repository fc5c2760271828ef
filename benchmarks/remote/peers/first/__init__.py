"""Peers in a new process, which print their first answer."""
