"""What a file that is no GGUF really is, from its first bytes, and what to do about it."""

from __future__ import annotations

import re

_CONVERT = (
    "EdgeMind runs GGUF files. Most models have one, often in a repository whose name ends in -GGUF: "
    "edgemind pull OWNER/REPOSITORY"
)

_OLD_GGML = {b"lmgg": "GGML", b"fmgg": "GGMF", b"tjgg": "GGJT", b"algg": "GGLA"}
"""The formats before GGUF: magic numbers 'ggml', 'ggmf', 'ggjt' and 'ggla', stored little-endian."""


def looks_like(head: bytes, size: int) -> tuple[str, str]:
    """Name the format of a file that does not start with ``GGUF``.

    Args:
        head: its first bytes, 64 or more where there are as many.
        size: of the whole file, in bytes.

    Returns:
        What it looks like, as the end of a sentence, and a hint.
    """
    again = "Download it again; the file itself, not the page about it."
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return "it is a git-lfs pointer, a few lines of text that stand for the real file", (
            "Fetch the real file with `git lfs pull`."
        )
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")) or (text.startswith(b"<") and b"<html" in text):
        return "it is a web page that was saved in place of the download", again
    if text.startswith((b"<?xml", b"<error")):
        return "it is an XML answer of a server, not the download", again
    if head[:4] in _OLD_GGML:
        return f"it is a {_OLD_GGML[head[:4]]} file, the format that GGUF replaced in 2023", _CONVERT
    if head.startswith(b"PK\x03\x04"):
        return "it looks like a PyTorch checkpoint or another zip archive", _CONVERT
    if re.match(rb"\x80[\x02-\x05]", head):
        return "it looks like a Python pickle, an old PyTorch checkpoint", _CONVERT
    if len(head) >= 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size:
        return "it looks like a safetensors checkpoint", _CONVERT
    if head.startswith(b"\x1f\x8b"):
        return "it is compressed with gzip", "Unpack it with gunzip first."
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "it is compressed with zstd", "Unpack it with zstd -d first."
    if head.startswith(b"\xfd7zXZ\x00"):
        return "it is compressed with xz", "Unpack it with unxz first."
    if head.startswith(b"7z\xbc\xaf\x27\x1c"):
        return "it is a 7z archive", "Unpack it first."
    if head[257:262] == b"ustar":
        return "it is a tar archive", "Unpack it first."
    if text.startswith(b"{"):
        return "it looks like JSON, perhaps a server's error message or a model's config.json", again
    if head[:64] == bytes(min(len(head), 64)):
        return "it begins with zeros, as a file does whose download never finished", "Download it again."
    if head and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head[:64]):
        return "it looks like plain text", _CONVERT
    return "its first bytes are not those of any model format that EdgeMind knows", _CONVERT
