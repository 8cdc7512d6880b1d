"""Types and pure functions; imports nothing of the floors above."""
