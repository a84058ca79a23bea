#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# demo.sh BINARY - about two minutes of the real thing.
#
# A small file system is really filled by a real process at an uneven rate.
# Forewarn hears of it over TCP like of anything else, says when it will be
# full and how sure it is, alerts, and is graded by what then happens. All of
# it lives in one temporary folder that is gone afterwards, also on Ctrl-C.
#
# DEMO_SECONDS (default 100) is how long the disk takes to fill.
set -eu

binary=${1:?usage: demo.sh BINARY}
seconds=${DEMO_SECONDS:-100}
case $seconds in
'' | *[!0-9]*)
    echo "demo: DEMO_SECONDS takes a whole number, not '$seconds'" >&2
    exit 2
    ;;
esac
if [ ! -x "$binary" ]; then
    echo "demo: $binary is no program; './dev build' makes one" >&2
    exit 2
fi

LC_ALL=C.UTF-8
export LC_ALL
size_kib=65536
horizon=$((seconds * 9 / 10))
work=
server=
emitter=
mounted=

# ---- leaving nothing behind -------------------------------------------------

# False also for one that has ended and only waits to be waited for.
is_alive() {
    state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 1
    [ "${state:-Z}" != Z ]
}

# Ends a process of ours. A signal that reaches a child between fork and exec is
# lost, so it is sent until it has worked, and after ten seconds the hard one.
end() {
    for tries in $(seq 50); do
        is_alive "$1" || break
        kill "$1" 2>/dev/null || true
        [ "$tries" -lt 50 ] || kill -KILL "$1" 2>/dev/null || true
        sleep 0.2
    done
    wait "$1" 2>/dev/null || true
}

clean_up() {
    trap '' INT TERM HUP
    for pid in $emitter $server; do
        end "$pid"
    done
    if [ -n "$mounted" ]; then
        umount "$work/disk" 2>/dev/null || umount -l "$work/disk" || true
    fi
    [ -z "$work" ] || rm -rf "$work"
    emitter='' server='' mounted='' work=''
}
trap clean_up EXIT
trap 'clean_up; exit 130' INT
trap 'clean_up; exit 143' TERM HUP

# ---- saying things ----------------------------------------------------------

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') red=$(printf '\033[1;31m')
    green=$(printf '\033[1;32m') plain=$(printf '\033[0m')
else
    bold='' dim='' red='' green='' plain=''
fi

# title TEXT: a rule with a name, 78 columns.
title() {
    printf '\n%s── %s %s%s\n\n' "$bold" "$1" \
        "$(printf '%*s' $((74 - ${#1})) '' | sed 's/ /─/g')" "$plain"
}

shown() { # a command as a person would type it
    printf '%s$ %s%s\n' "$dim" "$*" "$plain"
}

die() {
    printf 'demo: %s\n' "$*" >&2
    [ ! -f "$work/server.log" ] || tail -n 20 "$work/server.log" >&2
    exit 1
}

now() {
    date +%s
}

# ---- the disk and who fills it ----------------------------------------------

# A real file system where root may mount one, else a file with a size limit.
make_disk() {
    mkdir "$work/disk"
    if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=${size_kib}k,mode=0700 \
        forewarn-demo "$work/disk" 2>/dev/null; then
        mounted=yes
        disk="a file system of $((size_kib / 1024)) MiB"
    else
        disk="a file that may grow to $((size_kib / 1024)) MiB (ulimit -f)"
    fi
}

free_kib() {
    if [ -n "$mounted" ]; then
        df -kP "$work/disk" | awk 'NR == 2 { print $4 }'
    else
        used=$(wc -c <"$work/disk/data")
        echo $((size_kib - used / 1024))
    fi
}

# Appends an uneven amount twice a second and tells how much is free, until the
# system refuses a write; then only tells. Lines go to standard output.
fill_disk() {
    if [ -z "$mounted" ]; then
        trap '' XFSZ
        ulimit -f $((size_kib * 2)) # in blocks of 512 bytes
    fi
    : >"$work/disk/data"
    full=
    # About even over ten seconds, anything but from one write to the next.
    awk -v mean=$((size_kib / seconds / 2)) 'BEGIN {
        srand(); while (1) print int(mean * (0.2 + 1.6 * rand()))
    }' | while read -r kib; do
        if [ -z "$full" ] && ! head -c "${kib}k" /dev/zero \
            2>>"$work/writer.err" >>"$work/disk/data"; then
            full=yes
            now >"$work/full"
        fi
        echo "demo_disk,volume=data free=$(free_kib)i,size=${size_kib}i"
        sleep 0.5
    done
}

# ---- the server -------------------------------------------------------------

write_config() {
    cat >"$work/forewarn.yml" <<TXT
listen_line: 127.0.0.1:0
listen_http: off
collect: 1s                # this machine's own telemetry, too
watches:
  - watch: DiskFull
    expr: 100 * demo_disk_free / demo_disk_size
    breach: "< 5"          # per cent
    horizon: ${horizon}s           # look this far ahead
    probability: 0.8       # say so when this sure
    interval: 1s
    owner: storage@example.org
    reason: writes fail when the disk is full
TXT
}

start_server() {
    : >"$work/server.log"
    "$binary" serve --data "$work/data" --config "$work/forewarn.yml" \
        2>>"$work/server.log" &
    server=$!
    for _ in $(seq 600); do
        address=$(sed -n 's/.*msg="ready".* line=\([^ ]*\).*/\1/p' \
            "$work/server.log")
        [ -z "$address" ] || return 0
        kill -0 "$server" 2>/dev/null || die "the server ended"
        sleep 0.1
    done
    die "the server is not ready after a minute"
}

ask() {
    "$binary" "$@" --data "$work/data"
}

# ---- watching it ------------------------------------------------------------

# field NAME: a number of the one watched series, empty where there is none.
field() {
    printf '%s\n' "$answer" |
        sed -n 's/.*"'"$1"'":\([-0-9.e+]*\).*/\1/p'
}

# One row of what is said now; kept, to be held against what came.
note_row() {
    answer=$(ask watches --format json 2>/dev/null) || return 0
    printf '%s %s %s %s %s %s\n' "$(($(now) - start))" "$(field value)" \
        "$(field probability)" "$(field timeToBreach)" \
        "$(field timeToBreachP10)" "$(field timeToBreachP90)" |
        tee -a "$work/rows" | awk -v red="$red" -v plain="$plain" '
    NF < 2 { next }
    NF == 2 {
        printf "  %4d s   free %5.1f %%   cannot tell yet\n", $1, $2
        next
    }
    {
        when = ""
        if (NF >= 4) when = sprintf("limit in %.0f s", $4)
        if (NF == 5) when = sprintf("%s (not before %.0f)", when, $5)
        if (NF >= 6) when = sprintf("%s (%.0f to %.0f)", when, $5, $6)
        printf "  %4d s   free %5.1f %%   %schance %3.0f %%%s%s\n",
            $1, $2, ($3 >= 0.8) ? red : "", 100 * $3, ($3 >= 0.8) ? plain : "",
            (when != "") ? "   " when : ""
    }'
}

# log_line PATTERN: the first such line of the server, its message only.
log_line() {
    grep -m 1 -e "$1" "$work/server.log" |
        sed 's/.* msg="\(.*\)"$/\1/; s/\\"/"/g'
}

log_time() {
    grep -m 1 -e "$1" "$work/server.log" |
        sed 's/^time=[^T]*T\([0-9:]*\).*/\1/'
}

has_log() {
    grep -q -e "$1" "$work/server.log"
}

show_forecast() {
    shown "forewarn forecast '100 * demo_disk_free / demo_disk_size'" \
        "--horizon ${horizon}s --breach '< 5'"
    ask forecast '100 * demo_disk_free / demo_disk_size' \
        --horizon "${horizon}s" --breach '< 5' --history 10m \
        --bounds 0,100 --format chart || true
}

# wait_for PATTERN SECONDS: rows while waiting; false when the time is up.
wait_for() {
    until has_log "$1"; do
        kill -0 "$server" 2>/dev/null || die "the server ended"
        [ $(($(now) - start)) -lt "$2" ] || return 1
        note_row
        sleep "$row_every"
    done
}

# ---- the story --------------------------------------------------------------

work=$(mktemp -d "${TMPDIR:-/tmp}/forewarn-demo.XXXXXX")
row_every=$((seconds / 20 > 0 ? seconds / 20 : 1))
make_disk
write_config
start_server

title "Forewarn: say when it will break, and how sure that is"
printf '%s fills up in about %s s, written by a real process at an uneven rate. %s\n\n' \
    "$disk" "$seconds" "It reports over TCP to $address. This is the watch:" |
    fold -s -w 78 | sed 's/ *$//'
sed -n '/^watches/,$p' "$work/forewarn.yml" | sed 's/^/    /'

start=$(now)
fill_disk | "$binary" emit --to "$address" 2>"$work/emit.err" &
emitter=$!

title "1. It watches"
sleep $((seconds / 10 > 3 ? seconds / 10 : 3))
wait_for 'alert DiskFull.* predicted' $((seconds * 2)) ||
    die "no alert came: that is no good demo"

title "2. It is sure enough, and says so: nothing is broken yet"
printf '%s%s  %s%s\n\n' "$red" "$(log_time ' predicted: ')" \
    "$(log_line ' predicted: ' | fold -s -w 66 | sed 's/ *$//; 2,$s/^/          /')" \
    "$plain"
show_forecast

title "3. What it says from then on"
wait_for 'alert DiskFull.* breached' $((seconds * 3)) ||
    die "the disk did not fill"

title "4. It happens"
printf '%s%s  %s%s\n' "$red" "$(log_time ' breached: ')" \
    "$(log_line ' breached: ' | fold -s -w 66 | sed 's/ *$//; 2,$s/^/          /')" \
    "$plain"
for _ in $(seq $((seconds + 20))); do
    [ ! -s "$work/full" ] || break
    sleep 0.5
done
[ -s "$work/full" ] || die "the writer never met the end of its disk"
printf '%s  the process that writes: %s\n' \
    "$(date -u -d "@$(cat "$work/full")" +%H:%M:%S)" \
    "$(sed -n '1s/^head: //p' "$work/writer.err")"

title "5. It is graded by what happened"
for _ in $(seq 300); do
    ! has_log 'score DiskFull' || break
    sleep 0.2
done
printf '%s%s  %s%s\n\n' "$green" "$(log_time 'msg="score DiskFull')" \
    "$(log_line 'score DiskFull')" "$plain"
breached=$(ask record DiskFull --format json |
    sed -n 's/.*"claims":\[{"firedAt":\([0-9]*\)[^]]*"lead":\([0-9]*\).*/\1 \2/p' |
    awk '{ print $1 + $2 }')
printf 'What it said on the way, beside what came:\n\n'
awk -v end="$((${breached:-0} - start))" '
    $1 < end && NF == 6 {
        rows[n++] = sprintf("  %4d s   said: in %3.0f s (%.0f to %.0f)" \
            "   it came: in %d s", $1, $4, $5, $6, end - $1)
    }
    END {
        step = (n > 8) ? n / 8 : 1
        for (i = 0; i < n; i += step) print rows[int(i)]
    }' "$work/rows"
printf '\n'
shown "forewarn record DiskFull"
ask record DiskFull

clean_up
title "Where to look next"
cat <<TXT
  forewarn serve --config forewarn.yml    your machine, your watches
  forewarn report --format html           every watch on one page
  forewarn query 'node_load1'             PromQL over what was stored
  docs/watches.md                         how to write a watch

The temporary folder and all processes of this demo are gone.
TXT
