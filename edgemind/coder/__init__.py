"""The coding assistant: context from a workspace, edits that always apply, safe writing, verification.

Not for: drawing and commands (``cli``, ``tui``), conversations (``chat``), llama.cpp (``engine``).
"""
