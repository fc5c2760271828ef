"""The hierarchical Gaussian filter: its graph of nodes, and how beliefs about them change."""
