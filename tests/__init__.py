"""The tests, and the small real servers that they run against."""
