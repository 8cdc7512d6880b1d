"""The documents that say how Syntra behaves, and the pure code that reads them; imports nothing from gateway."""
