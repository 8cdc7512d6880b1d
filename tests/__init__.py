"""The tests, and the small real servers that they run against."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the gateway, before anybody imports numpy
