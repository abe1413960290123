# shellcheck shell=bash
# Finds what a build needs and installs what is missing. Sourced by the scripts in Tools, in the
# repository's top folder, with set -eu.

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "error: $*"
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo > /dev/null; then
    sudo "$@"
  else
    fail "neither root nor sudo; as root, run: $*"
  fi
}

# Brings the lists of packages up to date, once.
apt_update() {
  [ -z "${apt_is_updated-}" ] || return 0
  apt_is_updated=yes
  # Without a network the lists at hand may do.
  as_root apt-get update -qq < /dev/null >&2 || say "warning: apt-get update failed"
}

# Installs packages of Debian or Ubuntu.
apt_install() {
  command -v apt-get > /dev/null || fail "install these first, under this system's names: $*"
  say "installing $*"
  apt_update
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" < /dev/null >&2 \
    || fail "apt-get could not install: $*"
}

# is_at_least 6.3.1 6.1
is_at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

need_libraries() {
  missing=()
  command -v git > /dev/null || missing+=(git ca-certificates)
  command -v pkg-config > /dev/null || missing+=(pkg-config)
  pkg-config --exists openblas 2> /dev/null || missing+=(libopenblas-dev)
  pkg-config --exists libjpeg 2> /dev/null || missing+=(libjpeg-dev)
  pkg-config --exists libpng 2> /dev/null || missing+=(libpng-dev)
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
}

need_swift() {
  wanted=$(sed -n '1s|^// swift-tools-version: *||p' Package.swift)
  where="Get it from https://www.swift.org/install and put its usr/bin into PATH."
  if ! command -v swift > /dev/null; then
    # Usual places that a shell without a profile does not search.
    for folder in "${HOME:-/root}/.local/share/swiftly/bin" /opt/swift/usr/bin /usr/local/bin; do
      if [ -x "$folder/swift" ]; then
        PATH=$folder:$PATH
        break
      fi
    done
  fi
  if ! command -v swift > /dev/null; then
    if command -v apt-get > /dev/null; then apt_update; fi
    offered=$(LC_ALL=C apt-cache policy swiftlang 2> /dev/null | sed -n 's/^ *Candidate: *//p')
    case ${offered:-none} in
      [0-9]*) ;;
      *) fail "Swift $wanted or later is needed, and this system has no package of it. $where" ;;
    esac
    is_at_least "$offered" "$wanted" \
      || fail "Swift $wanted or later is needed; this system's package is $offered. $where"
    apt_install swiftlang
  fi
  found=$(swift --version 2> /dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' | head -n 1)
  [ -n "$found" ] || fail "'swift --version' gives no version. $where"
  is_at_least "$found" "$wanted" || fail "Swift $wanted or later is needed, this is $found. $where"
}

need_libraries
need_swift
