# shellcheck shell=bash disable=SC2034
# Shared by the scripts: directories, and the versions of what they need.
# Sourced, not run.

set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${CACHE_FOLDER:-"$ROOT/.cache"}
KAFKA_VERSION=4.3.1
SCALA_VERSION=2.13
SLF4J_VERSION=2.0.17
KEYCLOAK_VERSION=26.4.7
KUBERNETES_VALIDATE_VERSION=1.37.0
SCHEMATHESIS_VERSION=4.32.5

say() { printf '%s\n' "── $*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Installs missing Debian packages, or fails with their names.
need_packages() {
  local missing=()
  local package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "${missing[@]}" >&2 \
    || fail "cannot install ${missing[*]}: install them by hand and run again"
}

# What building needs.
need_build_tools() {
  need_packages build-essential pkg-config cmake libssl-dev zlib1g-dev
  command -v cargo >/dev/null || fail "cargo is not there: install Rust from https://rustup.rs"
}

# Node.js with npm, of any version that is there.
need_node() {
  command -v npm >/dev/null || need_packages nodejs npm
}

# Programs in Python, in an environment of their own.
need_python_tools() {
  [ -f "$CACHE/python/$KUBERNETES_VALIDATE_VERSION-$SCHEMATHESIS_VERSION" ] && return
  need_packages python3-venv
  say "installing kubernetes-validate $KUBERNETES_VALIDATE_VERSION and schemathesis $SCHEMATHESIS_VERSION"
  rm -rf "$CACHE/python"
  python3 -m venv "$CACHE/python" || fail "cannot make a Python environment"
  "$CACHE/python/bin/pip" install --quiet "kubernetes-validate==$KUBERNETES_VALIDATE_VERSION" \
    "schemathesis==$SCHEMATHESIS_VERSION" >&2 || fail "pip could not install the Python tools"
  touch "$CACHE/python/$KUBERNETES_VALIDATE_VERSION-$SCHEMATHESIS_VERSION"
}

# Builds librdkafka with little optimisation and without debug information: half of its build.
quick_c_build() { export CFLAGS="-O1 -g0"; }

# need_cargo_tool NAME VERSION [OPTION…]: installs a program by `cargo install` into the cache, once.
need_cargo_tool() {
  local name=$1 version=$2
  shift 2
  [ -f "$CACHE/tools/$name-$version" ] && return
  say "installing $name $version"
  cargo install --quiet --locked --root "$CACHE/tools" --version "$version" "$@" "$name" >&2 \
    || fail "cannot install $name $version"
  touch "$CACHE/tools/$name-$version"
}

# wait_for_port PORT PID NAME LOG: waits until PORT is open; fails if the process PID ends before.
wait_for_port() {
  local _
  for _ in $(seq 1 1200); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
    kill -0 "$2" 2>/dev/null || fail "$3 ended; see $4"
    sleep 0.5
  done
  fail "$3 does not listen on port $1; see $4"
}

# A free port, outside the ephemeral range.
free_port() {
  python3 - <<'PY'
import random, socket
while True:
    port = random.randrange(20000, 30000)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break
PY
}
