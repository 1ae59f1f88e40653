"""Stands for ``edgemind complete --stdio`` before an editor: answers as its environment says, and keeps a log."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    text = os.environ["FAKE_TEXT"]
    log = Path(os.environ["FAKE_LOG"])
    error = json.loads(os.environ.get("FAKE_ERROR", "null"))
    log.write_text(json.dumps(sys.argv[1:]) + "\n")
    alive = log.open("a")
    fcntl.flock(alive, fcntl.LOCK_EX)
    while header := sys.stdin.buffer.readline():
        sys.stdin.buffer.readline()
        request = json.loads(sys.stdin.buffer.read(int(header.removeprefix(b"Content-Length: "))))
        with log.open("a") as file:
            file.write(json.dumps(request) + "\n")
        if "id" not in request:
            continue
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        if request["method"] == "complete" and os.environ.get("FAKE_DEATHS"):
            deaths = Path(os.environ["FAKE_DEATHS"])
            if deaths.read_text():
                deaths.write_text(deaths.read_text()[1:])
                sys.exit(7)
        if error:
            answer["error"] = error
        else:
            answer["result"] = {"text": text, "stop": "block"}
        body = json.dumps(answer).encode()
        message = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        for half in (message[:30], message[30:]):
            sys.stdout.buffer.write(half)
            sys.stdout.buffer.flush()


main()
