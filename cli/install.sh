#!/bin/sh
# Installs keynet-inference and keynet-runtime on x86-64 Linux: checks the archive against SHA256SUMS and puts the programs into
# a folder of the PATH.
#
#   KEYNET_FROM     where the archive and SHA256SUMS are: a URL or a folder [default: the script's own folder if they are there, or else
#                   this version's release]
#   KEYNET_PREFIX   the programs go into KEYNET_PREFIX/bin [default: ~/.local]
set -eu
VERSION=@VERSION@
GLIBC=@GLIBC@
NAME=keynet-inference-$VERSION-x86_64-linux
RELEASE=https://github.com/keynet/keynet-inference/releases/download/v$VERSION
case $0 in
  *install.sh) HERE=$(dirname "$0") ;; # and not by `curl … | sh`
  *) HERE= ;;
esac
[ -n "$HERE" ] && [ -f "$HERE/$NAME.tar.gz" ] || HERE=$RELEASE
FROM=${KEYNET_FROM:-$HERE}
BIN=${KEYNET_PREFIX:-$HOME/.local}/bin

die() { echo "install.sh: $*" >&2; exit 1; }

[ "$(uname -s)" = Linux ] && [ "$(uname -m)" = x86_64 ] ||
  die "there are programs for x86-64 Linux alone: build from source elsewhere (make install)"
# Such as "glibc 2.36"; a system with another libc has no such variable.
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || glibc=
newest=$(printf 'glibc %s\n%s\n' "$GLIBC" "$glibc" | sort -V | tail -n 1)
[ -n "$glibc" ] && [ "$newest" = "$glibc" ] ||
  die "the programs need glibc $GLIBC or later, and this system has ${glibc:-none}: build from source (make install)"
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
