"""The engines that Syntra brings along: PostgreSQL, Valkey and Qdrant Edge, inside the data directory.

`hold` is the door: whoever needs engines holds them, and they run for as long as anybody does. A process of its own,
the `keeper`, starts them, starts them again when they die, and stops them when the last holder has left.
"""
