"""Syntra: one base URL, one assistant, every provider."""

__version__ = "0.1.0"
