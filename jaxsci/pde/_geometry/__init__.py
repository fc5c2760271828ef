"""Domains, their boundaries, and regions to sample."""
