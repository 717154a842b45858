# shellcheck shell=bash
# The beginning of every script here: `source "$checkout/scripts/lib/workshop.sh"` with $checkout set
# to the absolute path of the checkout.

# shellcheck source=scripts/lib/progress.sh
source "${checkout:?}/scripts/lib/progress.sh"
# shellcheck source=scripts/lib/root.sh
source "$checkout/scripts/lib/root.sh"
# shellcheck source=scripts/lib/apt.sh
source "$checkout/scripts/lib/apt.sh"
# shellcheck source=scripts/lib/python.sh
source "$checkout/scripts/lib/python.sh"
