"""The subcommands of `syntra`, one file each."""
