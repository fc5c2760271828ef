"""Fixed points and the histories that extrapolate them."""
