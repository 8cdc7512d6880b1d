"""`/api/orgs…`: organisations and what belongs to them, for those who administer them.

Nothing here is loaded before somebody administers something: `door` and `parts` are all that a start may import.
"""
