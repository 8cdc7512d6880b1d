"""Fits the weights in `gateway/data` from data and our own examples; nothing of it runs in the gateway."""
