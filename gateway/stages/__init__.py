"""The stages of a request, one class each; stages do not know each other."""
