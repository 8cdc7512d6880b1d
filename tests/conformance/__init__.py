"""What real clients see, over real sockets."""
