"""Thought traces: what a teacher writes about a problem, checked, cleared of repetitions, and kept in files."""
