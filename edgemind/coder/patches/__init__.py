"""Edits that were written without a grammar: by a model left to itself, or pasted from elsewhere.

Not for: edits under a grammar (``edit_grammar``), which need no guessing.
"""
