# shellcheck shell=bash
# Programs run as the testbed's ordinary user. Sourced after root.sh, with the names of
# `scripts/testbed env` in the environment.

# as_site_user COMMAND...: runs COMMAND as the user who runs the jobs, never as root, with nothing of
# our own environment but the testbed's names.
as_site_user() {
    local name kept=()
    for name in $(compgen -e); do
        [[ $name != BRIDGE_TESTBED_* ]] || kept+=("$name=${!name}")
    done
    setpriv --reuid="${BRIDGE_TESTBED_USER:?}" --regid="$BRIDGE_TESTBED_USER" --init-groups \
        --reset-env -- env --chdir=/ PATH="$BRIDGE_TESTBED_PATH" SLURM_CONF="$SLURM_CONF" \
        "${kept[@]}" "$@"
}
