"""Anthropic's Messages: a body to a chat completion, chunks to its events, its errors, and its names of models."""
