#!/bin/bash
# A STAND-IN for tests, not conda: `conda shell.bash hook` prints a function that activates an
# environment, which is any folder with bin/ in it.
if [[ $* != 'shell.bash hook' ]]; then
    echo "conda: this stand-in knows 'conda shell.bash hook' only" >&2
    exit 2
fi
cat <<'HOOK'
conda() {
    if [[ $1 != activate || $# -ne 2 ]]; then
        echo "conda: this stand-in knows 'conda activate ENVIRONMENT' only" >&2
        return 2
    fi
    if [[ ! -d $2/bin ]]; then
        echo "EnvironmentLocationNotFound: Not a conda environment: $2" >&2
        return 1
    fi
    export CONDA_PREFIX=$2 PATH="$2/bin:$PATH"
    local script
    for script in "$2"/etc/conda/activate.d/*.sh; do
        if [[ -f $script ]]; then
            . "$script"
        fi
    done
}
HOOK
