"""Training a student: losses, batches, optimizers, checkpoints, and the loop that joins them.

``job`` holds what a training is asked for and what comes out, without torch; ``trainer.train`` does it.
"""
