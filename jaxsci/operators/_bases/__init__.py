"""What an `FNO` expands fields in: one file for each family of bases."""
