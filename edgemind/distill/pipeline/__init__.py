"""A recipe carried out: stages in a run directory that record what they did and are skipped when nothing changed.

Not for: the work itself (the other rooms of ``distill``), the words on a screen (``cli.distill``).
"""
