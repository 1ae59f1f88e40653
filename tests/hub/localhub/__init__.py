"""A hub on loopback for tests: it speaks what the real ``huggingface_hub`` client asks, with faults on demand.

    with Hub() as hub:
        repo = hub.add("owner/name", {"model.gguf": b"..."})
        hub.faults = Fault(cut=1000, times=1)

Not for: uploads, datasets, xet.
"""

from localhub.faults import Fault, Faults
from localhub.log import Log, Request
from localhub.proxy import Proxy
from localhub.repos import MISSING, Repo
from localhub.server import Hub

__all__ = ["MISSING", "Fault", "Faults", "Hub", "Log", "Proxy", "Repo", "Request"]
