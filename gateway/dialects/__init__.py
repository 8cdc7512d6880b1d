"""Other shapes of a conversation than chat completions: from a body of theirs to ours, from our chunks to theirs."""
