"""Cases of the functional API itself."""
