"""Saved system prompts with their parameters.

Not for: which chat uses one (``Chat.persona``).
"""

from __future__ import annotations
