#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make.sh BUILD NAME - packs two data folders written by the programs of
# build/BUILD: NAME-killed (a journal to replay) and NAME-closed. To be run once
# for each change of a format, before the change; archives are never made anew.
set -eu

program=build/$1/tests/unit/test_golden_folders
here=tests/golden/folders

for how in killed closed; do
    archive=$here/$2-$how.tar.gz
    if [ -e "$archive" ]; then
        echo "$archive is there already" >&2
        exit 1
    fi
    work=$(mktemp -d)
    if [ "$how" = closed ]; then
        FW_GOLDEN_MAKE=$work FW_GOLDEN_CLOSE=1 "$program"
    else
        FW_GOLDEN_MAKE=$work "$program"
    fi
    # Lock files are made anew wherever the folder is opened.
    find "$work" -name 'lock.mdb' -delete -o -name '*-lock' -delete
    tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner \
        --mtime=@1700000000 --sparse -cf - data expected.txt |
        gzip -9n >"$archive"
    rm -rf "$work"
    ls -l "$archive"
done
