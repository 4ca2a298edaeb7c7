#!/usr/bin/env bash
# Makes the relocatable folder that a release is: the program, llama.cpp's libraries, the back ends, what editors need,
# and the licences of all of it.
#
#   scripts/dist.sh TARGET BUILD
#
# BUILD is the target folder for the build with back ends as files. Leaves TARGET/dist/ghostline-VERSION-SYSTEM, the same
# as .tar.gz, and its checksum. With GGML_CUDA=ON in the environment the back end for CUDA is in it, and `-cuda` in its
# name, with GGML_HIP=ON that for ROCm and `-hip`; each needs a BUILD of its own (`with-backends.sh` says why).
set -euo pipefail

target=$(mkdir -p "$1" && cd "$1" && pwd)
build=$(mkdir -p "$2" && cd "$2" && pwd)
cd "$(dirname "$0")/.."

case $(uname -s) in
  Linux) system=linux ;;
  Darwin) system=macos ;;
  MINGW* | MSYS*) system=windows ;;
  *) echo "dist.sh: not for $(uname -s)" >&2; exit 2 ;;
esac
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=ghostline-$version-$system-$(uname -m)
[ "${GGML_CUDA:-OFF}" != ON ] || name+=-cuda
[ "${GGML_HIP:-OFF}" != ON ] || name+=-hip
folder=$target/dist/$name

scripts/with-backends.sh "$build" build --release --locked --features backends

# The libraries of the build that the program was linked with: the newest, should there be several.
out=$(ls -td "$build"/release/build/llama-cpp-sys-2-*/out/backends | head -n 1)
out=${out%/backends}
compgen -G "$out/backends/*ggml-cpu*" >/dev/null || { echo "dist.sh: the build left no back ends in $out" >&2; exit 1; }

rm -rf "$folder" "$folder".tar.gz*
lib=$folder/lib/ghostline backends=$folder/lib/ghostline exe=
# Windows looks for libraries beside the program.
[ "$system" != windows ] || lib=$folder/bin backends=$folder/bin/backends exe=.exe
mkdir -p "$folder/bin" "$lib" "$backends" "$folder/share/ghostline/editors"
install -m 755 "$build/release/ghostline$exe" "$folder/bin/ghostline$exe"
# By the names they are looked for; the others are links for compilers.
for file in "$out"/lib*/libllama.* "$out"/lib*/libggml.* "$out"/lib*/libggml-base.* "$out"/bin/{llama,ggml,ggml-base}.dll; do
  case $system-${file##*/} in
    linux-*.so.[0-9] | macos-*.[0-9].dylib) install -m 644 "$(readlink -f "$file")" "$lib/${file##*/}" ;;
    windows-*.dll) install -m 644 "$file" "$lib/${file##*/}" ;;
  esac
done
for file in "$out"/backends/*; do
  case ${file##*/} in
    # Made with tiles (AMX), which compilers up to GCC 12 get wrong; `zen4` suits the same processors.
    *sapphirerapids*) ;;
    *.so | *.dylib | *.dll) install -m 644 "$(readlink -f "$file")" "$backends/${file##*/}" ;;
  esac
done
if [ "$system" = linux ]; then
  strip --strip-unneeded "$folder/bin/ghostline" "$lib"/*
fi

git ls-files editors | while read -r file; do
  case $file in */test/* | */tests/*) continue ;; esac
  mkdir -p "$folder/share/ghostline/${file%/*}"
  install -m 644 "$file" "$folder/share/ghostline/$file"
done
[ ! -e "$target/ghostline.vsix" ] || install -m 644 "$target/ghostline.vsix" "$folder/share/ghostline/editors/"
install -m 644 LICENSE README.md CHANGELOG.md "$folder/"
cp -r docs "$folder/docs"
"$(command -v python3 || command -v python)" scripts/licences.py "$folder/LICENCES-OF-PARTS.txt" "$(rustc -vV | sed -n 's/^host: //p')"

if [ "$system" = linux ]; then
  # What is built here must run where the C library is as old as Debian 12's.
  newest=$(objdump -T "$folder/bin/ghostline" "$lib"/* | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
  echo "newest symbol of the C library: $newest"
fi
tar -C "$target/dist" --sort=name --owner=0 --group=0 --numeric-owner -czf "$folder.tar.gz" "$name" 2>/dev/null ||
  tar -C "$target/dist" -czf "$folder.tar.gz" "$name"
(cd "$target/dist" && { sha256sum "$name.tar.gz" 2>/dev/null || shasum -a 256 "$name.tar.gz"; } >"$name.tar.gz.sha256")
du -sh "$folder" "$folder.tar.gz" | sed "s|$target/||"
