"""The fault table: everything that is known to go wrong, what is promised for it, and the tests that hold the promise.

`test_rows.py` walks it: every row has a test, and every test that is named exists. U is upstream, C the client, S the
stores, P the process, T time and keys. Where a row is decided otherwise than usual, docs/adr/0025 says why. The rows stand in
`rows_outside.py` (U, C) and `rows_inside.py` (S, P, T).
"""

from __future__ import annotations

from tests.faults.rows_inside import INSIDE
from tests.faults.rows_outside import OUTSIDE

ROWS = (*OUTSIDE, *INSIDE)
