"""``edgemind complete --stdio``: the engine and the two streams of an editor.

Not for: the protocol (``coder.completion_server``).
"""

from __future__ import annotations

import os
import sys

from edgemind.cli import prompt
from edgemind.errors import UsageError


def serve(model: str | None) -> int:
    """Until the editor closes our standard input, or says so.

    Raises:
        UsageError: standard input is a keyboard.
        EdgemindError: the model cannot be found; what is wrong with it later is told to the editor.
    """
    if not prompt.standard_input_has_text():
        raise UsageError(
            "--stdio speaks JSON-RPC with an editor, and standard input is a keyboard.",
            "See docs/completion.md. Once, by hand: edgemind complete FILE:LINE",
        )
    from edgemind.cli.shut_in import insist
    from edgemind.models import names

    insist()
    found = names.resolve(model, command="complete")

    from edgemind.coder.completion_server import CompletionServer
    from edgemind.coder.rpc import Connection
    from edgemind.engine.client import Engine
    from edgemind.engine.defaults import load_options
    from edgemind.settings import load_settings

    with os.fdopen(os.dup(1), "wb") as sink:
        os.dup2(2, 1)  # whatever prints must not end up between two messages
        with Engine(load_options(found, load_settings())) as engine:
            connection = Connection(sys.stdin.buffer, sink)
            CompletionServer(connection, engine, found.name, "edgemind complete --stdio --model").serve()
    return 0
