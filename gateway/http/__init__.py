"""The only floor that knows Litestar: intake, reply, and one file of routes per surface."""
