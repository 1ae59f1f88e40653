"""``edgemind doctor``: what this machine and this installation are, and how far "offline" is enforced here.

Nothing is guessed: llama.cpp is asked from a worker process, the jail is armed in that worker, and
``--prove-offline`` reads the kernel's own counters. Not for: measuring speed (``bench``).
"""

from __future__ import annotations

import os
import platform
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind import __version__
from edgemind.cli import console
from edgemind.cli.shut_in import hub_offline, shut_in
from edgemind.models.sizes import human_bytes

if TYPE_CHECKING:
    from edgemind.privacy.proof import Proof

PROOF_PROMPT = "What is 48 + 37?"
PROOF_SECONDS = 120.0


def register(app: typer.Typer) -> None:
    app.command(name="doctor")(doctor)


def doctor(
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    prove_offline: Annotated[
        bool,
        typer.Option(
            "--prove-offline",
            help="Run a generation in a fresh network namespace and print the kernel's counters; exit code 8 "
            "when something was sent or tried, or when this system forbids namespaces.",
        ),
    ] = False,
) -> int:
    """Show this machine, and who keeps the network shut."""
    if prove_offline:
        return _prove(json_output)
    # Not before the proof, which needs a namespace: the jail forbids making one.
    found = examine(shut_in())
    if json_output:
        console.out_json(found)
    else:
        from edgemind.terminal import clean

        console.out(clean(as_text(found)))
    return 0


def examine(in_the_way: str | None = None) -> dict[str, Any]:
    """Everything that ``doctor`` shows, as plain values. Bytes are bytes."""
    from dataclasses import asdict

    from edgemind.models import builtin, graphics, hardware
    from edgemind.privacy import jail, landlock
    from edgemind.settings import paths

    machine = hardware.machine()
    where = paths()
    strength = jail.available()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "machine": {
            "platform": machine.platform,
            "cpu": machine.cpu_name,
            "features": list(machine.cpu_flags),
            "cores": machine.cores,
            "logical_cpus": machine.logical_cpus,
            "cpu_quota": machine.cpu_quota,
            "threads": hardware.default_threads(),
            "total_ram": machine.total_ram,
            "available_ram": machine.available_ram,
        },
        "graphics": [asdict(device) for device in graphics.devices()],
        "disk": {"free": hardware.free_disk(where.data / "models")},
        "llama_cpp": _llama_cpp(),
        "offline": {
            "strength": strength.value,
            "phrase": strength.phrase,
            "why_not": None if strength is jail.Strength.KERNEL else jail.why_not(),
            "in_the_way": in_the_way,
            "landlock_abi": landlock.abi() if sys.platform.startswith("linux") else None,
        },
        "store": {
            "models": str(where.data / "models"),
            "settings": str(where.settings_file),
            **_installed(),
        },
        "builtin_model": {
            "name": builtin.NAME,
            "present": builtin.available(),
            "path": str(builtin.path()) if builtin.available() else None,
        },
    }


def _installed() -> dict[str, Any]:
    """Names of models, and what is amiss: a doctor is asked when something is."""
    from edgemind.errors import EdgemindError
    from edgemind.models import names, suggestions

    try:
        return {"installed": [model.name for model in names.installed()], "problem": suggestions.away() or None}
    except EdgemindError as problem:
        return {"installed": [], "problem": f"{problem.message} {problem.hint}".strip()}


def as_text(found: dict[str, Any]) -> str:
    """The same for a person."""
    machine, offline, store, built_in = (found[key] for key in ("machine", "offline", "store", "builtin_model"))
    quota = f", limited to {machine['cpu_quota']:g} CPUs" if machine["cpu_quota"] else ""
    landlock = f"version {offline['landlock_abi']}" if offline["landlock_abi"] else "not there"
    rows = [
        ("edgemind", f"{found['version']} on Python {found['python']}"),
        ("machine", f"{machine['cpu']} ({machine['platform']})"),
        ("", f"{machine['cores']} cores, {machine['logical_cpus']} usable CPUs{quota}; {machine['threads']} threads"),
        ("", " ".join(machine["features"])),
        ("memory", f"{human_bytes(machine['available_ram'])} free of {human_bytes(machine['total_ram'])}"),
        *_graphics_rows(found["graphics"], found["llama_cpp"]),
        ("disk", _free_disk(found["disk"]["free"])),
        *_llama_rows(found["llama_cpp"]),
        ("offline", offline["phrase"]),
        *([("", f"because: {offline['why_not']}")] if offline["why_not"] else []),
        *([("", f"but not for this command: {offline['in_the_way']}")] if offline["in_the_way"] else []),
        ("landlock", f"{landlock} (the worker's view of the file system)"),
        ("built-in", f"{built_in['name']}: {built_in['path'] or 'missing from this installation'}"),
        ("models", f"{', '.join(store['installed']) or 'none'} in {store['models']}"),
        ("", store["problem"] or ""),
        ("settings", f"{store['settings']}{'' if os.path.exists(store['settings']) else ' (none yet)'}"),
    ]
    return "".join(f"{name:<11}{value}\n" for name, value in rows if value)


def _graphics_rows(devices: list[dict[str, Any]], build: dict[str, Any]) -> list[tuple[str, str]]:
    """What the system's drivers say, and how to get a llama.cpp that can use it."""
    from edgemind.models.graphics import Device, rebuild_command

    rows = [
        ("" if number else "graphics", f"{device['name']}: {_graphics_memory(device)}")
        for number, device in enumerate(devices)
    ]
    if devices and build.get("supports_gpu") is False:
        rows.append(("", "not used: this llama.cpp has no GPU support. To build one that has:"))
        rows.append(("", rebuild_command([Device(**device) for device in devices])))
    return rows or [("graphics", "none found")]


def _graphics_memory(device: dict[str, Any]) -> str:
    if not device["total_bytes"]:
        return "its driver does not say how much memory it has"
    return f"{human_bytes(device['free_bytes'])} free of {human_bytes(device['total_bytes'])}"


def _llama_cpp() -> dict[str, Any]:
    """What the engine says about its build; the reason when it cannot be started."""
    from edgemind.engine.client import probe_build
    from edgemind.errors import EdgemindError

    try:
        return probe_build().model_dump(mode="json")
    except EdgemindError as problem:
        return {"error": problem.message, "hint": problem.hint}


def _llama_rows(build: dict[str, Any]) -> list[tuple[str, str]]:
    if "error" in build:
        return [("llama.cpp", f"does not start: {build['error']}"), ("", build["hint"])]
    rows = [
        ("llama.cpp", f"{build['llama_cpp']}, GPU support {'built in' if build['supports_gpu'] else 'not built in'}")
    ]
    rows.append(("", " ".join(re.findall(r"(\w+) = 1", build["features"]))))
    for device in build["devices"]:
        room = f"{human_bytes(device['free_bytes'])} free of {human_bytes(device['total_bytes'])}"
        rows.append(("", f"{device['name']}: {device['description']} ({device['kind']}, {room})"))
    return rows


def _free_disk(free: int | None) -> str:
    return "" if free is None else f"{human_bytes(free)} free where models are kept"


def _prove(json_output: bool) -> int:
    """Run ``edgemind run`` with the built-in model where nothing can leave, and show what the kernel counted."""
    from edgemind.errors import NotOffline
    from edgemind.models import builtin
    from edgemind.privacy.proof import prove

    start = "import sys; from edgemind.cli import main; sys.exit(main())"
    hub_offline()
    command = [sys.executable, "-c", start, "run", "--json", "-m", builtin.NAME, "-n", "256", PROOF_PROMPT]
    proof = prove(command, PROOF_SECONDS)
    if json_output:
        console.out_json(_proof_object(proof))
    else:
        from edgemind.terminal import clean

        console.out(clean(_proof_text(proof)))
    return 0 if proof.quiet and proof.exit_code == 0 else NotOffline.exit_code


def _proof_object(proof: Proof) -> dict[str, Any]:
    return {
        "proved": proof.quiet and proof.exit_code == 0,
        "ran": proof.ran,
        "reason": proof.reason,
        "counters": dict(proof.counters),
        "attempts": proof.attempts,
        "exit_code": proof.exit_code,
        "answer": _answer_in(proof.stdout),
    }


def _proof_text(proof: Proof) -> str:
    if not proof.ran:
        return (
            f"Not proved: {proof.reason}\n"
            "This says nothing about whether something was sent, only that it cannot be shown here this way.\n"
        )
    told = f"edgemind run {PROOF_PROMPT!r} in a network namespace of its own answered {_answer_in(proof.stdout)!r}.\n"
    if proof.exit_code != 0:
        told = f"The run ended with exit code {proof.exit_code}: {proof.stderr.strip()[-400:]}\n"
    counters = "".join(f"  {name:<22}{count:>6}\n" for name, count in proof.counters.items())
    verdict = "Something was sent or tried." if proof.attempts else "Nothing was sent, and nothing was tried."
    return f"{told}What the kernel counted there:\n{counters}{verdict}\n"


def _answer_in(stdout: str) -> str:
    import json

    try:
        return str(json.loads(stdout)["answer"])
    except (ValueError, KeyError, TypeError):
        return stdout.strip()[:200]
