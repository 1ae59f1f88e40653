"""All escapes; run as ``python -m privacy.escapes NAME PROFILE TARGETS`` from the ``tests`` folder."""

from __future__ import annotations

from . import escapes_network, escapes_system
from .escape import ESCAPES, EXPECTED, LIVE, main

__all__ = ["ESCAPES", "EXPECTED", "LIVE", "escapes_network", "escapes_system"]

if __name__ == "__main__":
    main()
