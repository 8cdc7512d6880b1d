"""Quality measured on data that does not live in the repository."""
