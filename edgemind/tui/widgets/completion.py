"""What could be meant: the popup, and the candidates for ``@file``, ``/command`` and a path.

Not for: the field itself (``composer``).
"""

from __future__ import annotations
