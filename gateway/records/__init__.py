"""What is remembered of requests after they are over; never in a reply's way."""
