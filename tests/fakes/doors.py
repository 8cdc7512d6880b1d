"""What a door needs where no store is there."""

from __future__ import annotations

from gateway.stores.twins import Twins

NO_TWINS = Twins(None, bytes(32))
