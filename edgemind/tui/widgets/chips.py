"""The row of chips above the field: what goes along with the message, with its size; each can be taken out.

Not for: reading files (``chat.attachments``).
"""

from __future__ import annotations
