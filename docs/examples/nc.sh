#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One capture with nothing but nc, or bash alone where there is none.
#
#     nc.sh HOST PORT "console text" records.bin
#
# Waits for the text on the server's console and writes the records, 32 bytes each (docs/capture-format.md).
set -euo pipefail
[ $# -eq 4 ] || { sed -n '3,7s/^# \?//p' "$0"; exit 2; }
host=$1 port=$2 text=${3//\"/\"\"} file=$4
LC_ALL=C

if command -v nc > /dev/null; then
  coproc LINK { exec nc "$host" "$port"; }
  exec 3<&"${LINK[0]}" 4>&"${LINK[1]}"
else
  exec 3<> "/dev/tcp/$host/$port" 4>&3
fi

say() { printf '%s\n' "$1" >&4; }
ask() { say "$1"; IFS= read -r -t 10 answer <&3 || { echo "no answer to $1" >&2; exit 1; }; }
do_() { ask "$1;:SYST:ERR?"; case $answer in 0,*) ;; *) echo "$1: $answer" >&2; exit 1 ;; esac; }

printf '\003' >&4                                # Ctrl-C: what an earlier client left half done is void
while IFS= read -r -t 0.2 -n 1 <&3; do :; done   # and what it did not read
say '*CLS'
ask '*IDN?'; echo "$answer"

do_ "TRIG:CLE;SOUR CONS;CONS:TEXT \"$text\""
do_ 'CAPT:ARM'
ask 'TRIG:PROG?'; echo "armed: $answer"
until ask 'CAPT:STAT?'; [ "$answer" = DONE ]; do sleep 0.2; done

ask 'CAPT:COUN?'; count=$answer
say "CAPT:DATA? 0,$count"                        # a block: '#', a digit, so many digits of length, the bytes
IFS= read -r -N 2 head <&3
IFS= read -r -N "${head:1}" length <&3
[ "$length" -eq $((count * 32)) ]
dd bs=1 count="$length" of="$file" status=none <&3
IFS= read -r <&3                                 # the end of the line
echo "$count records in $file"
