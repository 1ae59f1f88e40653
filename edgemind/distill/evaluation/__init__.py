"""How good a model is: accuracy on held-out problems, calibration, declining, agreement with a teacher, comparisons.

``evaluate`` does it; ``result`` is what comes of it. Not for: the perplexity of quantized models (``engine.quality``).
"""
