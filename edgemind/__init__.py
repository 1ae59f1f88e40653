"""EdgeMind: an offline-first runtime and chat app for small language models.

Importing this package is free of side effects and of heavy imports; the rooms are described in
``docs/architecture.md``.
"""

__version__ = "0.1.0"
