#!/bin/sh
# Every line of /wl/applets/cases in a directory of its own: what it writes, and its status.
exec 2>&1
number=0
while IFS= read -r line; do
    case $line in '' | '#'*) continue ;; esac
    number=$((number + 1))
    mkdir "/tmp/case.$number"
    echo "== $line"
    (cd "/tmp/case.$number" && sh -c "$line" </wl/applets/input 2>&1)
    echo "status $?"
done </wl/applets/cases
rm -rf /tmp/case.*
