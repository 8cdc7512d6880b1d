"""How a model talks about itself as some provider's model, in six languages, and how such talk is recognised.

`names`, `english` and `abroad` are data, written in one notation: words as they are written; `a | b`, `(...)`, `x?`,
`x{m,n}`; `$x` stands for a macro, `<x>` for a kind of word. A word in small letters is met in any case, one with a
capital only as written (Meta, Gemini). A phrase after `^` counts only at the beginning of a clause, after `@` only
where the speaker has spoken of itself in the sentence, after `%` only where it is refusing something. A line that is
indented further goes on with the phrase above it.

In whatever a phrase matches, every name of a provider or a model becomes ours: phrases describe who speaks, and never
reach over a name that belongs to somebody else.
"""
