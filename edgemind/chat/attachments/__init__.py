"""Files that go with a message: read safely, counted in tokens, made to fit.

``reading.read`` is the door. Not for: keeping them (``history``), how they look.
"""
