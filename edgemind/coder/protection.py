"""Which files are written only after a question that names them, and which are never written.

Names are compared as the most forgiving file system would: without case, without the characters that HFS+ skips, with
the endings that NTFS drops. What is not ``.git`` on this disk may be on the disk of whoever clones the repository.
Sources: git's ``is_hfs_dotgit`` and ``is_ntfs_dotgit`` (utf8.c, path.c).
Not for: what is on the disk (``workspace``: links, other repositories, owners).
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection
from typing import Final

from edgemind.coder.types import FileChange
from edgemind.terminal import clean_line

LONGEST_PATH = 1024
LONGEST_NAME = 255

_SKIPPED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_CI = (
    ".github/** .gitlab/** .gitlab-ci.yml .circleci/** .buildkite/** .drone.yml .woodpecker/** .woodpecker.y*ml .ci/**"
    " ci/** .forgejo/** .gitea/** .teamcity/** .azure-pipelines/** .travis.yml .appveyor.yml appveyor.yml .cirrus.yml"
    " .cirrus.star azure-pipelines*.y*ml bitbucket-pipelines.yml jenkinsfile* cloudbuild.y*ml buildspec.y*ml"
    " **/codeowners **/jenkinsfile"
)
_HOOKS = (
    ".husky/** .githooks/** githooks/** git-hooks/** .pre-commit-config.yaml .pre-commit-hooks.yaml lefthook.y*ml"
    " .lefthook.y*ml **/applypatch-msg **/pre-applypatch **/post-applypatch **/pre-commit **/pre-merge-commit"
    " **/prepare-commit-msg **/commit-msg **/post-commit **/pre-rebase **/post-checkout **/post-merge **/pre-push"
    " **/pre-receive **/update **/proc-receive **/post-receive **/post-update **/reference-transaction"
    " **/push-to-checkout **/pre-auto-gc **/post-rewrite **/sendemail-validate **/fsmonitor-watchman"
)
_LOCKS = (
    "**/*.lock **/*.lockb **/package-lock.json **/npm-shrinkwrap.json **/pnpm-lock.yaml **/go.sum **/bun.lock"
    " **/pylock*.toml **/packages.lock.json **/gradle.lockfile **/package.resolved **/requirements.lock"
)
_BUILD = (
    "**/makefile **/gnumakefile **/bsdmakefile **/*.mk **/makefile.* **/cmakelists.txt **/*.cmake **/cmakepresets.json"
    " **/meson.build **/meson_options.txt **/meson.options **/build **/build.bazel **/workspace **/workspace.bazel"
    " **/module.bazel **/*.bzl **/*.gradle **/*.gradle.kts **/gradlew **/gradlew.bat **/gradle/wrapper/** **/pom.xml"
    " **/mvnw **/mvnw.cmd **/build.xml **/build.sbt **/project/plugins.sbt **/package.json **/pnpm-workspace.yaml"
    " **/pyproject.toml **/setup.py **/setup.cfg **/tox.ini **/noxfile.py **/pixi.toml **/pytest.ini **/conftest.py"
    " **/requirements*.txt **/requirements*.in **/requirements/*.txt **/constraints*.txt **/pipfile **/environment.y*ml"
    " **/manifest.in **/*.pth **/sitecustomize.py **/usercustomize.py **/cargo.toml **/build.rs **/go.mod **/go.work"
    " **/vendor/modules.txt **/gemfile **/rakefile **/*.gemspec **/composer.json **/mix.exs **/rebar.config"
    " **/dockerfile **/dockerfile.* **/*.dockerfile **/containerfile **/docker-compose*.y*ml **/compose*.y*ml"
    " **/docker-bake.hcl **/vagrantfile **/procfile **/justfile **/taskfile.y*ml **/configure **/configure.ac"
    " **/configure.in **/makefile.am **/*.m4 **/autogen.sh **/sconstruct **/sconscript **/wscript **/flake.nix"
    " **/default.nix **/shell.nix **/*.csproj **/*.fsproj **/*.vbproj **/*.vcxproj **/*.sln **/*.slnx **/*.props"
    " **/*.targets **/nuget.config **/global.json **/package.swift **/podfile **/cartfile **/*.podspec **/*.pbxproj"
    " **/*.cabal **/stack.yaml **/cabal.project **/dune-project **/*.opam **/dub.json **/*.nimble **/build.zig"
    " **/build.zig.zon **/deno.json **/deno.jsonc **/gruntfile.* **/gulpfile.* **/webpack.*.* **/webpackfile.*"
    " **/vite.config.* **/rollup.config.* **/babel.config.* **/metro.config.* **/next.config.* **/jest.config.*"
    " **/vitest.config.* **/esbuild.* **/snapcraft.yaml **/skaffold.yaml **/tiltfile **/earthfile **/netlify.toml"
    " **/vercel.json **/fly.toml **/helmfile.yaml **/serverless.y*ml **/debian/rules"
)

_KINDS: Final = (
    ("runs on the project's servers (CI)", _CI),
    ("is a hook, which runs by itself", _HOOKS),
    ("pins what is installed (a lock file)", _LOCKS),
    ("says how the project is built, tested or installed", _BUILD),
)


def protected(change: FileChange) -> str | None:
    """Why a change needs a question that names the file, as the end of a sentence; ``None`` when it needs none."""
    plain = "/".join(plain_name(name) for name in change.path.split("/"))
    for reason, pattern in _patterns():
        if pattern.match(plain):
            return reason
    if any(name.startswith(".") for name in plain.split("/")):
        return "is a dotfile, or lies in a folder that is hidden"
    if change.mode is not None and change.mode & 0o111 and change.after is not None:
        return "becomes executable"
    return None


def forbidden(path: str) -> str | None:
    """Why a path is never written, whatever is on the disk, as the end of a sentence; ``None`` when it may be."""
    if not path or path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "is no path inside the workspace"
    if len(path) > LONGEST_PATH:
        return f"is longer than {LONGEST_PATH} characters"
    for name in path.split("/"):
        reason = _bad_name(name)
        if reason:
            return reason
    return None


def is_gits_own(names: Collection[str]) -> bool:
    """Whether a folder with these names in it is a ``.git``, whatever it is called: a bare repository, a module's."""
    return {"HEAD", "objects", "refs"}.issubset(names)


def is_repository(names: Collection[str]) -> bool:
    """Whether a folder with these names in it is one that git manages, or git's own."""
    return ".git" in names or is_gits_own(names)


def plain_name(name: str) -> str:
    """A name as forgiving file systems compare it."""
    name = _SKIPPED_BY_HFS.sub("", name.split(":", 1)[0] or name)
    name = unicodedata.normalize("NFKC", name).upper().casefold()
    return name.rstrip(" .") or name


def same_name(name: str) -> str:
    """A key that two names share when one file system or another takes them for one: case and composition."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def clash(key: str, other: str) -> bool:
    """Whether two paths, as ``same_name`` has them, are one, or one would have to be a folder for the other."""
    return key == other or key.startswith(f"{other}/") or other.startswith(f"{key}/")


def _bad_name(name: str) -> str | None:
    if name in ("", ".", ".."):
        return "is not written plainly: it has an empty part, '.' or '..'"
    if "\\" in name:
        return "has a backslash in it, which is a separator elsewhere"
    if name != clean_line(name) or not name.isprintable():
        return "has a control or invisible character in its name"
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        return f"has a name longer than {LONGEST_NAME} bytes"
    plain = plain_name(name)
    if plain == ".git" or re.fullmatch(r"git~\d+", plain):
        return "belongs to git itself"
    if plain in (".hg", ".svn", ".bzr", ".jj", ".sl", "_darcs", "cvs"):
        return "belongs to a version control system itself"
    return None


@functools.cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((reason, re.compile("|".join(map(_regex, globs.split())))) for reason, globs in _KINDS)


def _regex(glob: str) -> str:
    """``**/`` at the beginning is any folder, ``/**`` at the end all inside; what is between stays in one folder."""
    anywhere, glob = glob.startswith("**/"), glob.removeprefix("**/")
    inside, glob = glob.endswith("/**"), glob.removesuffix("/**")
    names = r"/".join(re.escape(part).replace(r"\*", "[^/]*") for part in glob.split("/"))
    return f"(?:{'(?:.*/)?' if anywhere else ''}{names}{'/.+' if inside else ''})$"
