"""The chat app: Textual screens and widgets over ``chat``. The only home of Textual.

Not for: conversations, history, engines (``chat``), or what the command line says (``cli/chat.py``).
"""
