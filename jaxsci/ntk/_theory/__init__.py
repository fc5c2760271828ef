"""Wide and deep networks at initialisation: criticality, limits, corrections."""
