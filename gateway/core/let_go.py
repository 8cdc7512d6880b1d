"""Errors that have been dealt with, and what they hold on to.

A frame that awaits a task or future by a name makes the same circle where that fails: the name holds the failure, whose
traceback holds the frame. There the name is deleted, or there is none.
"""

from __future__ import annotations


def let_go(error: BaseException | None) -> None:
    """Take from an error, and from those in whose handling it was raised, where that was.

    A traceback holds frames, these a whole request, and that often the error: a circle, which stays until Python looks
    for circles. A worker with two failures a second would grow by 30 MB an hour.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__context__
