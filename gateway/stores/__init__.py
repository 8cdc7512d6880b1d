"""What outlives a request, one system a file."""
