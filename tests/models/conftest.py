"""Fixtures of ``hub_fixtures`` for every test of this room."""

from hub_fixtures import client, hub, store, watching

__all__ = ["client", "hub", "store", "watching"]
