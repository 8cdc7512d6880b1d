"""The world outside: how a provider is reached, spoken to and understood."""
