#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# pages.sh FOREWARN FOLDER - the manual pages and the completions of the shells
# as the program itself prints them, laid out as they are installed beneath
# /usr/share.
set -eu

program=$1
folder=$2
rm -rf "$folder"
mkdir -p "$folder/man/man1" "$folder/bash-completion/completions" \
    "$folder/zsh/vendor-completions" "$folder/fish/vendor_completions.d"

# Debian wants pages compressed, without a time stamp.
page() {
    gzip -9n >"$folder/man/man1/$1.1.gz"
}

"$program" help --man | page forewarn
for command in $("$program" help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    "$program" help --man "$command" | page "forewarn-$command"
done
"$program" help --completion bash >"$folder/bash-completion/completions/forewarn"
"$program" help --completion zsh >"$folder/zsh/vendor-completions/_forewarn"
"$program" help --completion fish >"$folder/fish/vendor_completions.d/forewarn.fish"
