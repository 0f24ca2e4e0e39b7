#!/bin/sh
# Runs before kind's own entrypoint. systemd and the kubelet set these settings for the whole machine where they find other
# values; here they find what they want in files of the container, and set nothing.
set -e
reads_as() {
  place=/kind/settings/$1
  mkdir -p "${place%/*}"
  echo "$2" > "$place"
  grep -q " /proc/sys/$1 " /proc/self/mountinfo || mount --bind "$place" "/proc/sys/$1"
}
reads_as fs/file-max 9223372036854775807
reads_as fs/nr_open "$(cat /proc/sys/fs/nr_open)"
reads_as vm/overcommit_memory 1
reads_as vm/panic_on_oom 0
reads_as kernel/panic 10
reads_as kernel/panic_on_oops 1
reads_as kernel/keys/root_maxkeys 1000000
reads_as kernel/keys/root_maxbytes 25000000
exec /usr/local/bin/entrypoint "$@"
