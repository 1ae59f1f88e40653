"""Which programming language a file is in, by its name or its first line, in the names of tree-sitter-language-pack.

Not for: loading grammars (``parsing``), deciding whether a file is text (``listing``).
"""

from __future__ import annotations

import re

_EXTENSIONS = {
    "actionscript": "as",
    "ada": "adb ads",
    "bash": "sh bash bats",
    "c": "c h",
    "clojure": "clj cljs cljc edn",
    "cmake": "cmake",
    "commonlisp": "lisp lsp",
    "cpp": "cc cpp cxx c++ hh hpp hxx h++ ipp inl",
    "csharp": "cs csx",
    "css": "css",
    "cuda": "cu cuh",
    "d": "d",
    "dart": "dart",
    "elisp": "el",
    "elixir": "ex exs",
    "elm": "elm",
    "erlang": "erl hrl",
    "fish": "fish",
    "fortran": "f90 f95 f03 f08",
    "fsharp": "fs",
    "gdscript": "gd",
    "gleam": "gleam",
    "glsl": "glsl vert frag comp",
    "go": "go",
    "gomod": "mod",
    "graphql": "graphql gql",
    "groovy": "groovy gradle",
    "haskell": "hs",
    "hcl": "hcl",
    "html": "html htm xhtml",
    "ini": "ini cfg",
    "java": "java",
    "javascript": "js mjs cjs jsx",
    "json": "json",
    "julia": "jl",
    "kotlin": "kt kts",
    "latex": "tex sty cls",
    "lua": "lua",
    "make": "mk mak",
    "markdown": "md markdown",
    "matlab": "m",
    "nim": "nim",
    "nix": "nix",
    "objc": "mm",
    "ocaml": "ml",
    "ocaml_interface": "mli",
    "odin": "odin",
    "pascal": "pas pp",
    "perl": "pl pm",
    "php": "php",
    "powershell": "ps1 psm1",
    "properties": "properties",
    "proto": "proto",
    "python": "py pyi pyw",
    "r": "r",
    "racket": "rkt",
    "rst": "rst",
    "ruby": "rb rake gemspec",
    "rust": "rs",
    "scala": "scala sc sbt",
    "scheme": "scm ss",
    "scss": "scss",
    "solidity": "sol",
    "sql": "sql",
    "starlark": "bzl star",
    "svelte": "svelte",
    "swift": "swift",
    "tcl": "tcl",
    "terraform": "tf",
    "thrift": "thrift",
    "toml": "toml",
    "tsx": "tsx",
    "typescript": "ts mts cts",
    "v": "v",
    "verilog": "sv svh vh",
    "vhdl": "vhd vhdl",
    "vim": "vim",
    "vue": "vue",
    "wgsl": "wgsl",
    "xml": "xml xsd svg",
    "yaml": "yaml yml",
    "zig": "zig",
}
_NAMES = {
    "build": "starlark",
    "build.bazel": "starlark",
    "cmakelists.txt": "cmake",
    "containerfile": "dockerfile",
    "dockerfile": "dockerfile",
    "gemfile": "ruby",
    "gnumakefile": "make",
    "jenkinsfile": "groovy",
    "makefile": "make",
    "rakefile": "ruby",
    ".bashrc": "bash",
    ".profile": "bash",
    ".zshrc": "bash",
}
_SHEBANGS = {"bash": "bash", "sh": "bash", "dash": "bash", "zsh": "bash", "node": "javascript", "rscript": "r"}
_SHEBANG = re.compile(rb"#!\s*(?:\S*/)?([A-Za-z]+)[\d.]*(?:\s+(?:-\S+\s+)*([A-Za-z]+))?")

_BY_EXTENSION = {extension: language for language, all_ in _EXTENSIONS.items() for extension in all_.split()}

PROSE = frozenset({"markdown", "rst", "latex"})
"""What people read; nearly every text is correct in them."""

DATA = frozenset({"json", "yaml", "toml", "ini", "xml", "properties", "html", "css", "scss"})
"""Files that hold values more often than definitions."""


def language_of(path: str, first_line: bytes = b"") -> str | None:
    """The name of the grammar for a file; ``None`` when there is none.

    Args:
        first_line: of the file, for scripts without an extension.
    """
    name = path.rpartition("/")[2].lower()
    if name in _NAMES:
        return _NAMES[name]
    stem, dot, extension = name.rpartition(".")
    if dot and stem and extension in _BY_EXTENSION:
        return _BY_EXTENSION[extension]
    if name.startswith("dockerfile."):
        return "dockerfile"
    return None if dot and stem else _of_shebang(first_line)


def _of_shebang(line: bytes) -> str | None:
    found = _SHEBANG.match(line[:200])
    if not found:
        return None
    program = (found[2] if found[1] == b"env" and found[2] else found[1]).decode().lower()
    if program in _SHEBANGS:
        return _SHEBANGS[program]
    return program if program in _EXTENSIONS else None
