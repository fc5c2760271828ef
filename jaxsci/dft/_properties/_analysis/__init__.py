"""What a density says of atoms and bonds, and its values in space."""
