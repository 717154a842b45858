# shellcheck shell=bash
# Debian packages for the scripts. Sourced after progress.sh and root.sh.

_policy=/usr/sbin/policy-rc.d

# apt_missing PACKAGE...: prints those that are not installed, one a line.
apt_missing() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            printf '%s\n' "$package"
    done
}

# apt_ensure PACKAGE...: installs what is missing and starts no service while it does: services of
# these packages belong to the machine's own administrator. Quick when nothing is missing.
apt_ensure() {
    local missing
    mapfile -t missing < <(apt_missing "$@")
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null ||
        die "packages are missing (${missing[*]}) and this is no Debian machine: install them by hand"
    as_root true # a password is asked for before the progress line, not within it
    step "Debian packages: ${missing[*]}" _apt_install "${missing[@]}" ||
        die "apt-get could not install: ${missing[*]}"
}

_apt_install() {
    as_root flock /var/lock/bridge-apt bash -euc "$(declare -f _apt_install_locked)
        _apt_install_locked \"\$@\"" bash "$_policy" "$@"
}

# Runs as root, one at a time. invoke-rc.d asks policy-rc.d before it starts anything, and 101 is
# its word for "not allowed" (invoke-rc.d(8)); a policy that is already there is put back after.
_apt_install_locked() {
    local policy=$1
    shift
    # shellcheck disable=SC2064  # the path as it is now
    trap "rm -f '$policy'; [ ! -e '$policy.bridge-saved' ] || mv '$policy.bridge-saved' '$policy'" EXIT
    [ ! -e "$policy" ] || [ -e "$policy.bridge-saved" ] || mv "$policy" "$policy.bridge-saved"
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@" || {
        apt-get -o DPkg::Lock::Timeout=120 update
        apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@"
    }
}
