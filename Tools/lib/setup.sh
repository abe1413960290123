# shellcheck shell=bash
# Finds what a build needs and installs what is missing. Sourced by the scripts in Tools, in the
# repository's top folder, with set -eu.

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "error: $*"
  exit 1
}

# is_at_least 6.3.1 6.1
is_at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# Packages of Debian or Ubuntu that are to be installed.
missing=()

need() {
  local package
  for package in "$@"; do
    case " ${missing[*]-} " in
      *" $package "*) ;;
      *) missing+=("$package") ;;
    esac
  done
}

has_apt() { command -v apt-get > /dev/null; }

may_install() { [ "$(id -u)" = 0 ] || command -v sudo > /dev/null; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Brings the lists of packages up to date, once, where that is possible: those at hand may do.
apt_update() {
  [ -z "${apt_is_updated-}" ] || return 0
  apt_is_updated=yes
  has_apt && may_install || return 0
  as_root apt-get update -qq < /dev/null >&2 || say "warning: apt-get update failed"
}

install_missing() {
  [ ${#missing[@]} -gt 0 ] || return 0
  local install="apt-get install -y --no-install-recommends ${missing[*]}"
  has_apt || fail "install these first, under this system's names: ${missing[*]}"
  may_install || fail "packages are missing. As root, run: apt-get update && $install"
  say "installing ${missing[*]}"
  apt_update
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" < /dev/null >&2 \
    || fail "the packages could not be installed. As root, run: apt-get update && $install"
  missing=()
}

wanted_swift=$(sed -n '1s|^// swift-tools-version: *||p' Package.swift)
swift_source="Get it from https://www.swift.org/install and put its usr/bin into PATH."

find_swift() {
  local folder offered
  # Usual places that a shell without a profile does not search.
  for folder in "${HOME:-/root}/.local/share/swiftly/bin" /opt/swift/usr/bin /usr/local/bin; do
    command -v swift > /dev/null && return
    if [ -x "$folder/swift" ]; then PATH=$folder:$PATH; fi
  done
  command -v swift > /dev/null && return
  apt_update
  offered=$(LC_ALL=C apt-cache policy swiftlang 2> /dev/null | sed -n 's/^ *Candidate: *//p')
  case ${offered:-none} in
    [0-9]*) ;;
    *) fail "Swift $wanted_swift or later is needed, and this system has no package of it. $swift_source" ;;
  esac
  is_at_least "$offered" "$wanted_swift" \
    || fail "Swift $wanted_swift or later is needed; this system's package is $offered. $swift_source"
  need swiftlang
  install_missing
}

# The package of a shared library that the toolchain is linked with.
package_of() {
  case $1 in
    libncurses.so.6 | libpanel.so.6 | libform.so.6) echo libncurses6 ;;
    libtinfo.so.6) echo libtinfo6 ;;
    libcurl.so.4) echo libcurl4 ;;
    libxml2.so.2) echo libxml2 ;;
    libxml2.so.16) echo libxml2-16 ;;
    libsqlite3.so.0) echo libsqlite3-0 ;;
    libedit.so.2) echo libedit2 ;;
    libstdc++.so.6) echo libstdc++6 ;;
    libgcc_s.so.1) echo libgcc-s1 ;;
    libz.so.1) echo zlib1g ;;
    libuuid.so.1) echo libuuid1 ;;
    liblzma.so.5) echo liblzma5 ;;
    libzstd.so.1) echo libzstd1 ;;
  esac
}

# What an unpacked toolchain needs to start: shared libraries. Those of the debugger are not wanted.
need_toolchain_libraries() {
  local library package
  command -v ldd > /dev/null || return 0
  for library in $(
    for program in swift-frontend swift-driver swift-build swift-package clang lld; do
      ldd "$toolchain/$program" 2> /dev/null || true
    done | sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p' | sort -u
  ); do
    package=$(package_of "$library")
    if [ -n "$package" ]; then
      need "$package"
    else
      say "warning: Swift needs $library, which is missing; install the package that has it"
    fi
  done
}

# What it needs to link a program: a linker, the C library's and GCC's start files and libraries.
need_linker() {
  [ "$(uname)" = Linux ] && [ -x "$toolchain/clang" ] || return 0
  command -v ld > /dev/null || need binutils
  local start version
  start=$("$toolchain/clang" -print-file-name=crtbeginS.o 2> /dev/null) || start=
  if [ -e "$start" ] \
    && [ -e "$("$toolchain/clang" -print-file-name=libstdc++.so)" ] \
    && [ -e "$("$toolchain/clang" -print-file-name=crt1.o)" ]; then
    return
  fi
  if [ -e "$start" ]; then
    # Of several versions clang takes the newest that is here: ".../gcc/x86_64-linux-gnu/12/crtbeginS.o".
    version=$(basename "$(dirname "$start")")
  else
    apt_update
    version=$(apt-cache search --names-only '^libstdc\+\+-[0-9]+-dev$' 2> /dev/null \
      | sed -n 's/^libstdc++-\([0-9]*\)-dev .*/\1/p' | sort -n | tail -n 1)
  fi
  # Without lists of packages: what brings all of them in the right version.
  if [ -n "$version" ]; then
    need "libgcc-$version-dev" "libstdc++-$version-dev"
  else
    need g++
  fi
}

need_libraries() {
  command -v git > /dev/null || need git ca-certificates
  command -v pkg-config > /dev/null || need pkg-config
  pkg-config --exists openblas 2> /dev/null || need libopenblas-dev
  pkg-config --exists libjpeg 2> /dev/null || need libjpeg-dev
  pkg-config --exists libpng 2> /dev/null || need libpng-dev
}

# Where the toolchain's parts look for each other.
if [ "$(uname)" = Linux ] && [ ! -e /proc/self/exe ]; then
  fail "Swift needs /proc, which is not mounted. As root, run: mount -t proc proc /proc"
fi
find_swift
toolchain=$(dirname "$(readlink -f "$(command -v swift)")")
if ! said=$(swift --version 2>&1); then say "Swift does not start yet: $said"; fi
need_toolchain_libraries
need_linker
need_libraries
install_missing

said=$(swift --version 2>&1) || fail "'swift --version' fails: $said"
found_swift=$(printf '%s\n' "$said" | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' | head -n 1)
[ -n "$found_swift" ] || fail "'swift --version' gives no version: $said. $swift_source"
is_at_least "$found_swift" "$wanted_swift" \
  || fail "Swift $wanted_swift or later is needed, this is $found_swift. $swift_source"
