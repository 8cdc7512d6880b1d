"""How the figures of the README are made."""
