"""Distillation: problem families, training, and (later) teacher to student. The home of torch.

Not for: running models. Nothing outside ``cli`` and ``scripts`` imports this room.
"""
