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
_CI = """
    **/.github/** **/.gitlab/** **/*.gitlab-ci.yml **/.circleci/** **/.buildkite/** **/.drone.* **/.woodpecker/**
    **/.woodpecker.* **/.ci/** ci/** **/.forgejo/** **/.gitea/** **/.teamcity/** **/.azure-pipelines/**
    **/.azuredevops/** **/*azure-pipelines*.y*ml **/.travis.yml **/*appveyor.yml **/.cirrus.* **/jenkinsfile*
    **/*.jenkinsfile **/jenkins-x*.yml **/bitbucket-pipelines.yml **/cloudbuild*.y*ml **/cloudbuild*.json
    **/buildspec*.y*ml **/amplify.yml **/apprunner.y*ml **/appspec.y*ml **/codeowners **/action.y*ml
    **/.semaphore/** **/.builds/** **/.build.yml **/.tekton/** **/.harness/** **/.buddy/** **/buddy.y*ml **/.zuul.*
    **/zuul.y*ml **/zuul.d/** **/.taskcluster.yml **/.prow/** **/.prow.yaml **/.codefresh/** **/codefresh.y*ml
    **/wercker.yml **/*bitrise.yml **/codemagic.yaml **/ci_scripts/** **/screwdriver.y*ml **/*.gocd.y*ml
    **/codeship-*.yml **/.scrutinizer.yml **/*packit.y*ml **/*evergreen.y*ml **/dagger.json **/.dagger/**
    **/renovate.json*
"""
_HOOKS = """
    **/.husky/** **/.githooks/** githooks/** git-hooks/** **/.pre-commit-*.yaml **/*prek.toml **/*lefthook.*
    **/*lefthook-local.* **/captainhook.json **/grumphp.* **/*simple-git-hooks.* **/*lint-staged.* **/applypatch-msg
    **/pre-applypatch **/post-applypatch **/pre-commit **/pre-merge-commit **/prepare-commit-msg **/commit-msg
    **/post-commit **/pre-rebase **/post-checkout **/post-merge **/pre-push **/pre-receive **/update **/proc-receive
    **/post-receive **/post-update **/reference-transaction **/push-to-checkout **/pre-auto-gc **/post-rewrite
    **/sendemail-validate **/fsmonitor-watchman **/post-index-change **/p4-changelist **/p4-prepare-changelist
    **/p4-post-changelist **/p4-pre-submit
"""
_LOCKS = """
    **/*.lock **/*.lockb **/*.lockfile **/*.lock.json **/*-lock.json **/*-lock.y*ml **/npm-shrinkwrap.json **/go.sum
    **/go.work.sum **/pylock*.toml **/gems.locked **/*.resolved **/verification-metadata.xml
"""
_BUILD = """
    **/makefile **/gnumakefile **/bsdmakefile **/*.mk **/*.mak **/makefile.* **/cmakelists.txt **/*.cmake
    **/cmake*presets.json **/meson.build **/meson_options.txt **/meson.options **/*.ninja **/*.gn **/*.gni **/*.gyp
    **/*.gypi **/build **/build.bazel **/workspace **/workspace.bazel **/workspace.bzlmod **/module.bazel **/*.bzl
    **/tools/bazel **/buck **/targets **/pants.toml **/deps **/jamfile* **/jamroot* **/tupfile* **/premake*.lua
    **/xmake.lua **/configure **/configure.ac **/configure.in **/*.m4 **/autogen.sh **/bootstrap.sh **/sconstruct
    **/sconscript **/wscript **/conanfile.* **/vcpkg*.json **/debian/rules **/*.spec **/pkgbuild **/apkbuild
    **/snapcraft.yaml **/*.gradle **/*.gradle.kts **/gradle.properties **/gradlew* **/gradle/** **/buildsrc/**
    **/build-logic/** **/pom.xml **/mvnw* **/build.xml **/ivy.xml **/*.sbt **/project/*.scala
    **/project/*.properties **/build.sc **/*.mill **/project.clj **/deps.edn **/bb.edn **/shadow-cljs.edn
    **/package.json **/pnpm-workspace.yaml **/pnpmfile.* **/lerna.json **/nx.json **/turbo.json **/rush.json
    **/project.json **/angular.json **/tsconfig*.json **/jsconfig.json **/deno.json* **/bunfig.toml **/gruntfile.*
    **/gulpfile.* **/webpack.* **/webpackfile.* **/esbuild.* **/pyproject.toml **/setup.py **/setup.cfg **/tox.ini
    **/tox.toml **/noxfile.py **/dodo.py **/fabfile.py **/pavement.py **/snakefile **/hatch*.toml **/hatch_build.py
    **/pdm.toml **/poetry.toml **/uv.toml **/pixi.toml **/pytest.ini **/pytest.toml **/conftest.py
    **/requirements*.txt **/requirements*.in **/requirements/*.txt **/constraints*.txt **/pipfile
    **/environment.y*ml **/manifest.in **/cargo.toml **/build.rs **/cross.toml **/rust-toolchain* **/go.mod
    **/go.work **/magefile.go **/vendor/modules.txt **/gemfile **/gems.rb **/rakefile* **/*.rake **/*.gemspec
    **/config.ru **/guardfile **/capfile **/dangerfile **/brewfile **/berksfile **/fastlane/** **/composer.json
    **/phpunit.xml* **/mix.exs **/rebar.config* **/erlang.mk **/setup.hs **/setup.lhs **/package.yaml **/*.cabal
    **/stack.yaml **/cabal.project* **/dune **/dune-* **/*.opam **/deps/build.jl **/renv/activate.r **/build.pl
    **/cpanfile **/dist.ini **/*.rockspec **/dub.json **/dub.sdl **/*.nimble **/*.nims **/nim.cfg **/build.zig
    **/build.zig.zon **/shard.yml **/pubspec.yaml **/build.yaml **/hook/build.dart **/package.swift
    **/package@swift-*.swift **/podfile **/cartfile **/mintfile **/*.podspec **/*.xcodeproj/** **/*.xcworkspace/**
    **/*.xcconfig **/*.*proj **/*.sln **/*.slnx **/*.props **/*.targets **/*.user **/nuget.config **/global.json
    **/dotnet-tools.json **/paket.dependencies **/dockerfile* **/*.dockerfile **/containerfile*
    **/docker-compose*.y*ml **/compose*.y*ml **/docker-bake.* **/vagrantfile **/procfile* **/justfile **/*.just
    **/taskfile*.y*ml **/flake.nix **/default.nix **/shell.nix **/devenv.nix **/devenv.y*ml **/devbox.json
    **/skaffold.yaml **/tiltfile **/earthfile **/netlify.toml **/vercel.json **/fly.toml **/wrangler.toml
    **/wrangler.json* **/firebase.json **/cdk.json **/pulumi*.yaml **/render.yaml **/railway.json **/railway.toml
    **/nixpacks.toml **/heroku.yml **/helmfile.yaml **/serverless.y*ml
"""
_TOOLS = """
    **/*.config.* **/*.conf.py **/*.conf.js **/conf.py **/pylintrc **/mypy.ini **/alembic/env.py **/knexfile.*
    **/sitecustomize.py **/usercustomize.py **/*.pth **/*.egg-link **/pyvenv.cfg **/bin/activate* **/node_modules/**
    **/site-packages/** **/dist-packages/** **/mise*.toml **/mise/** **/ansible.cfg **/hie.yaml **/mkdocs.y*ml
    **/book.toml **/doxyfile* **/*.code-workspace **/*.sublime-project **/*.iml **/*.ipr **/*.iws **/*-gdb.py
    **/nodemon.json **/ecosystem.*js **/profile.ps1 **/*_profile.ps1 **/launchagents/** **/launchdaemons/**
    **/autorun.inf
"""

_KINDS: Final = (
    ("runs on the project's servers (CI)", _CI),
    ("is a hook, which runs by itself", _HOOKS),
    ("pins what is installed (a lock file)", _LOCKS),
    ("says how the project is built, tested or installed", _BUILD),
    ("is loaded by a tool, which runs what it says", _TOOLS),
)


def protected(change: FileChange, hooks: str | None = None) -> str | None:
    """Why a change needs a question that names the file, as the end of a sentence; ``None`` when it needs none.

    Args:
        hooks: the folder that this repository's settings name for hooks.
    """
    plain = _plain(change.path)
    for reason, pattern in _patterns():
        if pattern.match(plain):
            return reason
    if hooks and plain.startswith(f"{_plain(hooks)}/"):
        return "lies in the folder of this repository's hooks"
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


def _plain(path: str) -> str:
    return "/".join(map(plain_name, path.split("/")))


def same_name(name: str) -> str:
    """A key that two names share when one file system or another takes them for one: case and composition."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def clash(key: str, other: str) -> bool:
    """Whether two paths, as ``same_name`` has them, are one, or one would have to be a folder for the other."""
    return key == other or key.startswith(f"{other}/") or other.startswith(f"{key}/")


def _bad_name(name: str) -> str | None:
    if not unicodedata.normalize("NFKC", name).strip(" ."):  # Windows drops blanks and dots at the end
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
    if plain in (".hg", ".svn", ".bzr", ".jj", ".sl", "_darcs") or name == "CVS":
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
