"""What came of a distillation as one HTML file that can be read anywhere, without a network and without a script.

``html.write_report`` writes it from ``facts.Facts``. Not for: measuring anything (``evaluation``).
"""
