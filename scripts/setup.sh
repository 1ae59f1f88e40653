# shellcheck shell=bash
# Set-up shared by scripts/run and scripts/test: makes .venv and installs EdgeMind into it, once.
# Works with bash 3.2. Everything it says goes to standard error, so that standard output belongs to the command.
#
#   EDGEMIND_PYTHON   the Python to use instead of the first suitable one on PATH
#   CMAKE_ARGS        how llama.cpp is built, for a GPU for one (-DGGML_CUDA=on); by default its vision part is left out

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
marks=$venv/.edgemind
log=$root/.venv-setup.log
pip_pid=

say() { printf '%s\n' "$*" >&2; }
die() {
    say "$1"
    shift
    local line
    for line in "$@"; do say "  $line"; done
    exit 1
}

# What an installation depends on; when it changes, the next start installs again.
key_of() {
    printf '%s %s ' "$1" "$root"
    cksum <"$root/pyproject.toml"
    cksum <"$root/scripts/constraints.txt"
    grep '^version' "$venv/pyvenv.cfg" 2>/dev/null || true
}

is_ready() {
    [ -x "$venv/bin/edgemind" ] && [ -f "$marks/$1" ] && [ "$(key_of "$1")" = "$(cat "$marks/$1")" ] &&
        "$venv/bin/python" -S -E -c 'import os' 2>/dev/null
}

# ensure_installed PROFILE REQUIREMENT: afterwards .venv holds what PROFILE needs.
ensure_installed() {
    is_ready "$1" && return
    lock
    if ! is_ready "$1"; then
        prepare_venv
        install "$1" "$2"
    fi
    unlock
}

find_python() {
    local python
    for python in ${EDGEMIND_PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 python3.14 python}; do
        if "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' >/dev/null 2>&1; then
            printf '%s' "$python"
            return
        fi
    done
    if [ -n "${EDGEMIND_PYTHON:-}" ]; then
        die "EDGEMIND_PYTHON=$EDGEMIND_PYTHON is not a Python from 3.10 to 3.14."
    fi
    die "EdgeMind needs Python 3.10 to 3.14, and there is none on PATH." \
        "Debian, Ubuntu: sudo apt install python3 python3-venv" \
        "Fedora: sudo dnf install python3" \
        "macOS: brew install python"
}

# A virtual environment that is whole: one whose set-up was cut off, or that came from elsewhere, is made anew.
prepare_venv() {
    if [ -e "$venv" ]; then
        if [ ! -e "$marks/unfinished" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 &&
            "$venv/bin/pip" --version >/dev/null 2>&1; then
            return
        fi
        say "The virtual environment in .venv is not whole; making a new one."
        rm -rf "$venv"
    fi
    local python
    python=$(find_python) || exit 1
    say "Making a virtual environment in .venv with $("$python" --version 2>&1) ..."
    mkdir -p "$marks"
    : >"$marks/unfinished"
    if ! clean_environment "$python" -m venv "$venv" >"$log" 2>&1; then
        rm -rf "$venv"
        die "A virtual environment cannot be made with $python; see $log." \
            "Debian, Ubuntu: sudo apt install python3-venv" \
            "or name another Python: EDGEMIND_PYTHON=/path/to/python3 $0"
    fi
}

# pip and Python without the settings of the caller that would send packages elsewhere.
clean_environment() {
    env -u PYTHONHOME -u PYTHONPATH -u PIP_TARGET -u PIP_PREFIX -u PIP_USER -u PIP_REQUIRE_VIRTUALENV \
        PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 CMAKE_ARGS="${CMAKE_ARGS--DLLAVA_BUILD=OFF}" "$@"
}

install() {
    mkdir -p "$marks"
    rm -f "$marks/run" "$marks/test"
    : >"$marks/unfinished"
    say "Installing EdgeMind and what it needs into .venv. The first time llama.cpp is compiled: about 5 minutes on two cores."
    set -m # a process group of its own, so that all of it can be ended
    clean_environment "$venv/bin/python" -m pip install -v --progress-bar off -c "$root/scripts/constraints.txt" \
        -e "$root$2" </dev/null >"$log" 2>&1 &
    pip_pid=$!
    set +m
    watch_log
    local code=0
    wait "$pip_pid" 2>/dev/null || code=$?
    pip_pid=
    [ "$code" -eq 0 ] || explain_failure
    key_of "$1" >"$marks/$1"
    # What the tests need contains what running needs.
    [ "$1" = run ] || key_of run >"$marks/run"
    rm -f "$marks/unfinished" "$log"
    say "Ready after $SECONDS s."
}

# One line that changes on a terminal; elsewhere one line every 20 seconds.
watch_log() {
    local line width=100 shown=0 terminal=
    if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then
        terminal=1
        width=$(tput cols 2>/dev/null || echo 80)
    fi
    while kill -0 "$pip_pid" 2>/dev/null; do
        line="$SECONDS s: $(last_step)"
        if [ -n "$terminal" ]; then
            printf '\r\033[K%s' "${line:0:$((width - 1))}" >&2
        elif [ $((SECONDS - shown)) -ge 20 ]; then
            shown=$SECONDS
            say "${line:0:$width}"
        fi
        sleep 0.5
    done
    [ -z "$terminal" ] || printf '\r\033[K' >&2
}

# The last line of the log that says how far it is; a compiler's command line becomes "[12/140] compiling ggml.c".
last_step() {
    tail -n 300 "$log" 2>/dev/null | tr -d '\033\r' | awk '
        /^ *\[ *[0-9]+\/[0-9]+\]/ || /^ *\[ *[0-9]+%\]/ {
            count = $0; sub(/^ */, "", count); sub(/\].*/, "]", count)
            file = $NF; sub(/.*\//, "", file)
            step = count (file ~ /\.(c|cc|cpp|cu|m|mm|metal)$/ ? " compiling " file : " linking")
        }
        /^ *(Collecting|Downloading|Building|Installing|Preparing|Created wheel)/ { step = $0; sub(/^ */, "", step) }
        END { print step ? step : "looking for packages" }' || true
}

explain_failure() {
    local kept="The whole output is in $log."
    if grep -qE 'No CMAKE_C(XX)?_COMPILER could be found|COMPILER not set|full path to an existing compiler|is not able to compile|command .*(gcc|cc|clang).* failed: No such file' "$log"; then
        die "llama.cpp cannot be compiled: no working C and C++ compiler was found." \
            "Debian, Ubuntu: sudo apt install build-essential" \
            "Fedora: sudo dnf install gcc-c++ make" \
            "macOS: xcode-select --install" "$kept"
    elif grep -qiE 'No space left on device' "$log"; then
        die "The disk is full; EdgeMind needs about 1 GB while it installs." "$kept"
    elif grep -qE 'name resolution|NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|Network is unreachable|Connection refused|Retrying \(Retry' "$log"; then
        die "The packages cannot be fetched: there is no network, or the package index does not answer." \
            "Only this first set-up needs a network. Connect and run the same command again." "$kept"
    elif grep -qE 'Could not build wheels for llama|Failed building wheel for llama|Failed to build .*llama' "$log"; then
        tail -n 15 "$log" >&2
        die "llama.cpp did not compile." "Are CMAKE_ARGS and the compiler right?" "$kept"
    fi
    tail -n 15 "$log" >&2
    die "The installation failed." "$kept"
}

# One set-up at a time. The lock goes with the process, whatever ends it.
lock() {
    if command -v flock >/dev/null 2>&1; then
        exec 9>"$root/.venv-setup.lock"
        if ! flock -n 9; then
            say "Another set-up is at work in this folder; waiting for it ..."
            flock 9
        fi
    else
        local told= owner
        until mkdir "$root/.venv-setup.lock.d" 2>/dev/null; do
            owner=$(cat "$root/.venv-setup.lock.d/pid" 2>/dev/null || true)
            if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
                rm -rf "$root/.venv-setup.lock.d"
                continue
            fi
            [ -n "$told" ] || say "Another set-up is at work in this folder; waiting for it ..."
            told=1
            sleep 1
        done
        echo $$ >"$root/.venv-setup.lock.d/pid"
        have_lock_folder=1
    fi
    trap stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

unlock() {
    trap - EXIT INT TERM HUP
    stop
    exec 9>&-
}

stop() {
    if [ -n "$pip_pid" ]; then
        kill -TERM -- "-$pip_pid" 2>/dev/null || true
        say ""
        say "The set-up was stopped; the next start begins it anew."
    fi
    if [ -n "${have_lock_folder:-}" ]; then
        rm -rf "$root/.venv-setup.lock.d"
        have_lock_folder=
    fi
}
