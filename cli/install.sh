#!/bin/sh
# Installs keynet-inference and keynet-runtime on x86-64 Linux: checks the archive against SHA256SUMS and puts the programs into
# a folder of the PATH.
#
#   KEYNET_FROM     where the archive and SHA256SUMS are: a URL or a folder [default: this version's release]
#   KEYNET_PREFIX   the programs go into KEYNET_PREFIX/bin [default: ~/.local]
set -eu
VERSION=@VERSION@
NAME=keynet-inference-$VERSION-x86_64-linux
FROM=${KEYNET_FROM:-https://github.com/keynet/keynet-inference/releases/download/v$VERSION}
BIN=${KEYNET_PREFIX:-$HOME/.local}/bin

die() { echo "install.sh: $*" >&2; exit 1; }

[ "$(uname -s)" = Linux ] && [ "$(uname -m)" = x86_64 ] ||
  die "there are programs for x86-64 Linux alone: build from source elsewhere (cargo install --path cli)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for file in "$NAME.tar.gz" SHA256SUMS; do
  case $FROM in
    http://*|https://*) curl -fsSL -o "$work/$file" "$FROM/$file" || die "cannot fetch $FROM/$file" ;;
    *) cp "$FROM/$file" "$work/$file" || die "cannot read $FROM/$file" ;;
  esac
done
(cd "$work" && grep " $NAME.tar.gz\$" SHA256SUMS | sha256sum -c - >/dev/null) ||
  die "$NAME.tar.gz is not the file that SHA256SUMS names: nothing was installed"
tar -xzf "$work/$NAME.tar.gz" -C "$work"
mkdir -p "$BIN"
for program in keynet-inference keynet-runtime; do
  # Renamed into place: a program that runs keeps its file.
  cp "$work/$NAME/$program" "$BIN/.$program.new"
  chmod 755 "$BIN/.$program.new"
  mv "$BIN/.$program.new" "$BIN/$program"
done
"$BIN/keynet-inference" --version
case :$PATH: in
  *":$BIN:"*) ;;
  *) echo "add $BIN to PATH" ;;
esac
