# shellcheck shell=bash
# Python environments from the lock files, always on Debian's own interpreter: Slurm's Python
# bindings and the ordinary users of a site only know that one. Sourced after progress.sh, root.sh
# and apt.sh, with $checkout set.

system_python=/usr/bin/python3
uv="${checkout:?}/.tools/uv/bin/uv"

# Nothing of a person's own Python settings may leak in.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX
export UV_PYTHON="$system_python" UV_PYTHON_DOWNLOADS=never UV_NO_CONFIG=1 UV_LINK_MODE=copy
export UV_NO_PROGRESS=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The machine's own certificates count, for mirrors that are signed by a site's authority.
[[ ! -e /etc/ssl/certs/ca-certificates.crt ]] ||
    export UV_SYSTEM_CERTS=1 SSL_CERT_FILE="${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}"

# ensure_python: Debian's python3 with venv is there, and new enough.
ensure_python() {
    "$system_python" -c 'import ensurepip, venv' 2>/dev/null ||
        apt_ensure python3 python3-venv ca-certificates
    "$system_python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$system_python is $("$system_python" -V): 3.11 or newer is needed (Debian 12 or newer)"
}

# ensure_uv: the pinned uv is in .tools/ of the checkout. uv asks the index that pip is set to ask.
ensure_uv() {
    local pins="$checkout/scripts/lib/uv-pinned.txt" index
    if [[ ! -x $uv ]] || ! stamped "$checkout/.tools/uv" "$(digest "$pins")"; then
        step "uv, as pinned" _install_uv "$pins" || die "uv could not be installed"
    fi
    if [[ -z ${UV_DEFAULT_INDEX:-} ]]; then
        index=$(as_owner "$checkout/.tools/uv/bin/python" -m pip config get global.index-url 2>/dev/null) ||
            index=${PIP_INDEX_URL:-}
        [[ -z $index ]] || export UV_DEFAULT_INDEX="$index"
    fi
}

_install_uv() {
    as_owner mkdir -p "$checkout/.tools" &&
        as_owner "$system_python" -m venv --clear "$checkout/.tools/uv" &&
        as_owner "$checkout/.tools/uv/bin/python" -m pip install --quiet --require-hashes --only-binary :all: -r "$1" &&
        stamp "$checkout/.tools/uv" "$(digest "$1")" as_owner
}

# venv_on_system_python VENV AS_WHOM: VENV is there, on the interpreter of now. One that fits is
# kept, so that a process which runs from it meets as little change as can be.
venv_on_system_python() {
    local venv=$1 as_whom=$2
    [[ -x $venv/bin/python && $("$venv/bin/python" -V) == "$("$system_python" -V)" ]] ||
        "$as_whom" "$uv" venv --quiet --clear "$venv"
}

# An environment carries the digest of what it was made from, so that making it again is quick:
# digest FILE..., stamped VENV DIGEST, stamp VENV DIGEST AS_WHOM.
digest() {
    { "$system_python" -V && printf '%s\n' "$checkout" && cat -- "$@"; } | sha256sum | cut -d' ' -f1
}

stamped() {
    [[ -r $1/made-from && $(<"$1/made-from") == "$2" ]]
}

stamp() {
    # shellcheck disable=SC2016  # expanded by the inner shell
    "$3" sh -c 'printf "%s\n" "$2" >"$1/made-from"' sh "$1" "$2"
}
