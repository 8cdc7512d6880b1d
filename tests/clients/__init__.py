"""Real clients, as their registries have them, driven against a real gateway over the fakes: `make clients`.

`make clients CLIENTS="codex aider"` drives some of them. What is installed lies in `.clients`, and so does what each
run said. A client gets a home of its own, so nothing of the user's is read or written.
"""
