"""What `syntra doctor` looks at: the user's own installation, and what each client needs of the gateway that runs."""
