"""Conversations: the encrypted history, its search and export, attachments, and one engine at a time to answer with.

Nothing here draws: a face (``tui``, ``cli``) calls, polls and shows. Nothing here knows a network.
"""
