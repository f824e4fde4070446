# shellcheck shell=bash
# packages.sh (sourced): the Debian packages that Stampmill needs, and `need_packages`, which sees that they are there.
#
# Design. Says first what it will install, installs only what is missing, and does nothing at all, quickly, when
# nothing is. Looking happens here, as whoever calls; changing the machine is install-packages' work, alone, as root.
# `a|b` in a list means either: a name that changed between Debian releases.

# shellcheck disable=SC2034  # the lists are used by the scripts that source this file
PACKAGES_BUILD=(
  gcc libc6-dev cmake ninja-build pkg-config
  libhiredis-dev 'libmsgpack-dev|libmsgpack-c-dev' libpq-dev libjansson-dev libmicrohttpd-dev libinih-dev
  libdeflate-dev libzstd-dev libxxhash-dev libssl-dev
)
# The Redis server's binary is in redis-tools, too; the package redis-server would start a service.
PACKAGES_SERVERS=(redis-tools postgresql)
# shellcheck disable=SC2034
PACKAGES_DEMO=(unicode-data)
# shellcheck disable=SC2034
PACKAGES_TEST=(check clang clang-format 'libclang-rt-dev|libclang-rt-14-dev' python3-redis python3-psycopg shellcheck spin patch)
# What tests/bench/run --peers measures besides, and cannot have from another registry.
# shellcheck disable=SC2034
PACKAGES_PEERS=(ruby ruby-sidekiq ruby-pg)

packages_installed() {
  dpkg-query -W -f='${db:Status-Abbrev} ${binary:Package}\n' "$@" 2>/dev/null |
    sed -n 's/^.i. *\([^:]*\).*/\1/p' || true
}

# A PostgreSQL server from elsewhere (another version, another archive) is as good.
have_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

# Prints those of the wanted that are missing, one a line, alternatives unresolved.
missing_packages() {
  local entry name names=() installed
  IFS=$' |\n' read -r -d '' -a names < <(printf '%s\n' "$@" && printf '\0')
  installed=" $(packages_installed "${names[@]}" | tr '\n' ' ') "
  for entry in "$@"; do
    if [[ $entry == postgresql ]] && have_postgres; then
      continue
    fi
    for name in ${entry//|/ }; do
      [[ $installed == *" $name "* ]] && continue 2
    done
    echo "$entry"
  done
}

# need_packages NAME...: returns when they are installed, ends the script with one clear message when they cannot be.
need_packages() {
  local missing=() become=() here
  [[ -z ${STAMPMILL_NO_INSTALL:-} ]] || return 0
  if ! command -v dpkg-query >/dev/null; then
    echo "This is not a Debian: please see to these packages yourself, then set STAMPMILL_NO_INSTALL=1: $*" >&2
    exit 1
  fi
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} > 0)) || return 0
  if ((EUID != 0)); then
    become=(sudo)
    if ! command -v sudo >/dev/null; then
      echo "These Debian packages are missing, and I am neither root nor is there a sudo: ${missing[*]}" >&2
      echo "As root: apt-get install --no-install-recommends ${missing[*]%%|*}" >&2
      exit 1
    fi
  fi
  here=$(dirname "${BASH_SOURCE[0]}")
  echo "Installing Debian packages: ${missing[*]}" >&2
  "${become[@]}" "$here/install-packages" "${missing[@]}" >&2 </dev/null || exit 1
}
