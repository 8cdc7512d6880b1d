"""What Anthropic says of a request's form, where its own clients act on the words.

Claude Code asks again without a beta, a thought, a picture or a field when it reads that this is what was refused. So
these sentences, and no others, come through: made of paths, numbers and fixed words, they tell nothing of anybody.
"""

from __future__ import annotations

import re
from typing import Final

_PATH: Final = r"(?<![\w.])[a-z_]{1,40}(?:[.\[][\w\]-]{1,60}){0,12}: "
_PATTERNS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_PATH}Extra inputs are not permitted",
        rf"{_PATH}Field required",
        rf"{_PATH}Input should be [\w'\", ]{{1,200}}",
        rf"(?:{_PATH})?Invalid `(?:signature|data)` in `(?:redacted_)?thinking` block",
        rf"(?:{_PATH})?Expected `thinking` or `redacted_thinking`, but found `\w{{1,40}}`",
        r"`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified",
        r"Unexpected value\(s\) `[\w, `-]{1,200}` for the `anthropic-beta` header",
        r"adaptive thinking is not supported on this model",
        r"[`'\"]?thinking\.type\.?(?:enabled|adaptive)[`'\"]? is not supported for this model",
        r"This model does not support the effort parameter",
        r"role [`'\"]?system[`'\"]? is not supported on this model",
        r"max_tokens: \d{1,9} > \d{1,9}, which is the maximum allowed number of output tokens",
        rf"(?:{_PATH})?[Ii]mage exceeds [\d. ]{{1,9}}MB maximum(?:: \d{{1,12}} bytes > \d{{1,12}} bytes)?",
        rf"(?:{_PATH})?[Ii]mage dimensions exceed max allowed size(?: for many-image requests)?: \d{{1,6}} pixels",
        rf"(?:{_PATH})?(?:Could not process image|image cannot be empty)",
        rf"(?:{_PATH})?A maximum of \d{{1,6}} PDF pages may be provided",
        rf"(?:{_PATH})?The PDF specified (?:was not valid|is password protected)",
    )
)


def told(message: str) -> str:
    """The sentence in Anthropic's message that a client may read; empty where there is none."""
    for pattern in _PATTERNS:
        if found := pattern.search(message):
            return found[0]
    return ""
