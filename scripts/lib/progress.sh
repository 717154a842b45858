# shellcheck shell=bash
# What a person sees while a script works: headings, one line a step, and on failure the end of the
# step's own output. Sourced, never run.

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    _bold=$'\e[1m' _green=$'\e[32m' _red=$'\e[31m' _dim=$'\e[2m' _plain=$'\e[0m'
else
    _bold='' _green='' _red='' _dim='' _plain=''
fi

# heading TEXT: opens a section.
heading() {
    printf '\n%s== %s ==%s\n' "$_bold" "$*" "$_plain"
}

# say TEXT: one line of plain progress.
say() {
    printf '   %s\n' "$*"
}

# die TEXT: says what is wrong on stderr and ends the script with 1.
die() {
    printf '%s%s: %s%s\n' "$_red" "${0##*/}" "$*" "$_plain" >&2
    exit 1
}

# elapsed START: seconds since START (a value of $SECONDS), as 1m05s.
elapsed() {
    local seconds=$((SECONDS - $1))
    if ((seconds >= 60)); then
        printf '%dm%02ds' $((seconds / 60)) $((seconds % 60))
    else
        printf '%ds' "$seconds"
    fi
}

# step TEXT COMMAND...: runs COMMAND with its output put aside. On a terminal the seconds count up
# while it works; elsewhere one line tells the start of a long step and one its end. When it fails,
# the last 40 lines of its output are shown and its exit code is returned.
step() {
    local text=$1 start=$SECONDS output code=0 ticker
    shift
    output=$(mktemp)
    # The command stays in the foreground, so that Ctrl-C reaches it.
    _tick "$text" "$start" $$ &
    ticker=$!
    ("$@") >"$output" 2>&1 </dev/null || code=$?
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    [[ ! -t 1 ]] || printf '\r\e[K'
    if ((code == 0)); then
        printf '   %sok%s    %s %s(%s)%s\n' \
            "$_green" "$_plain" "$text" "$_dim" "$(elapsed "$start")" "$_plain"
    else
        printf '   %sFAIL%s  %s (exit code %d after %s)\n' \
            "$_red" "$_plain" "$text" "$code" "$(elapsed "$start")"
        tail -n 40 "$output" | sed 's/^/      | /'
    fi
    rm -f "$output"
    return "$code"
}

_tick() {
    local text=$1 start=$2 parent=$3
    if [[ ! -t 1 ]]; then
        sleep 3 >/dev/null 2>&1
        printf '   ...   %s\n' "$text"
        return
    fi
    while kill -0 "$parent" 2>/dev/null; do
        printf '\r\e[K   ...   %s (%s)' "$text" "$(elapsed "$start")"
        sleep 1 >/dev/null 2>&1
    done
}
