# shellcheck shell=bash
# Who runs what: some steps need root, and what lies in the checkout stays its owner's.
# Sourced after progress.sh.

# as_root COMMAND...: runs COMMAND as root, through sudo where we are not root.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        die "this needs root: run it as root, or install sudo (wanted: $*)"
    fi
}

# become_root SCRIPT ARGS...: replaces this process by SCRIPT run as root; returns when we are root.
# Of the environment, only what these scripts and the package clients read goes along.
become_root() {
    ((EUID != 0)) || return 0
    local name kept=
    command -v sudo >/dev/null || die "this needs root: run it as root, or install sudo"
    say "root is needed from here on: going on through sudo"
    for name in $(compgen -e); do
        case $name in
        CI | NO_COLOR | BRIDGE_* | PIP_* | UV_* | SSL_CERT_* | http_proxy | https_proxy | no_proxy)
            kept+=",$name"
            ;;
        esac
    done
    exec sudo ${kept:+"--preserve-env=${kept#,}"} -- "$@"
}

# as_owner COMMAND...: runs COMMAND as the owner of the checkout ($checkout), so that root leaves no
# file there which its owner cannot remove. As an ordinary user it just runs COMMAND.
as_owner() {
    local uid gid home
    uid=$(stat -c %u -- "${checkout:?}")
    gid=$(stat -c %g -- "$checkout")
    if ((EUID != 0 || uid == 0)); then
        "$@"
        return
    fi
    home=$(getent passwd "$uid" | cut -d: -f6)
    if [[ -n $home ]]; then
        setpriv --reuid="$uid" --regid="$gid" --init-groups -- env HOME="$home" "$@"
    else
        setpriv --reuid="$uid" --regid="$gid" --clear-groups -- env HOME=/tmp "$@"
    fi
}
