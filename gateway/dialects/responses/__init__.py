"""OpenAI's Responses: a body of items to a chat completion request, and chunks to its events."""
