"""What a distillation is to be, written down: the tables of a ``recipes/*.toml`` and how one is read.

Not for: doing it (``distill.pipeline``).
"""
