"""Small real servers that speak the providers' wires, strictly, and break in every way that we know of."""
