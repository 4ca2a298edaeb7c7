#!/usr/bin/env bash
# Puts a real VS Code for the tests where it disturbs nobody: code-server (VS Code with a browser as its
# window) built for its own Node, a headless Chromium and the library that drives it, all under DIR/vscode.
#
#   scripts/get-vscode.sh DIR
#
# Leaves DIR/bin/{node24,code-server,chromium} and DIR/vscode/node_modules/playwright-core. It takes about 4 minutes
# and 1.4 GB; a second run costs nothing. No root is needed, and the system's own packages stay as they
# are. Always exits 0: what cannot be had gets a line `skip: …` on stdout, and the tests read the same
# from its absence.
set -euo pipefail

# code-server 4.139 is Visual Studio Code 1.139, and wants Node 24.
code_server=4.139.1
node=24.20.0
npm=11.19.1
playwright=1.64.1

dir=$(mkdir -p "${1:?usage: get-vscode.sh DIR}/bin" "$1/vscode" && cd "$1" && pwd)
home=$dir/vscode
root=$home/root
log=$home/log
wanted="code-server $code_server, node $node, playwright-core $playwright"
version() { { "$@" --version 2>/dev/null || true; } | head -n 1; }

skip() {
  echo "skip: vscode: $*"
  exit 0
}
there() { echo "vscode $(version "$dir/bin/code-server" | cut -d ' ' -f 1), $(version "$dir/bin/chromium")"; }

if [ "$(cat "$home/installed" 2>/dev/null)" = "$wanted" ] && [ -n "$(version "$dir/bin/chromium")" ]; then
  there
  exit 0
fi
rm -f "$home/installed" "$dir"/bin/{code-server,node24}

[ "$(uname -s)" = Linux ] || skip "the tests know code-server and Chromium on Linux only"
case $(uname -m) in x86_64) machine=x64 ;; aarch64) machine=arm64 ;; *) skip "no Node for $(uname -m) can be had from npm" ;; esac
for program in node npm c++ make python3; do
  command -v "$program" >/dev/null || skip "\`$program\` is not installed, and code-server is built with it"
done
[ "$(df -Pk "$dir" | awk 'END { print $4 }')" -gt 3000000 ] || skip "less than 3 GB are free in $dir"

# Debian's packages are unpacked and not installed: Chromium, what it loads, two fonts, and the headers that one of code-server's
# native modules is compiled with. The runtime libraries are named because its development links point at them.
kerberos=(libkrb5-dev krb5-multidev comerr-dev libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2)
chromium=$(command -v chromium || true)
if [ ! -e "$root/complete" ]; then
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    skip "Chromium and libkrb5-dev can only be fetched on Debian"
  rm -rf "$root" "$home/apt"
  mkdir -p "$root" "$home"/apt/{lists/partial,cache/archives/partial}
  options=(-qq -o "Dir::State::Lists=$home/apt/lists" -o "Dir::Cache=$home/apt/cache" -o Acquire::Languages=none
    -o APT::Keep-Downloaded-Packages=true -o Debug::NoLocking=true -o "APT::Sandbox::User=$(id -un)")
  apt-get "${options[@]}" update >"$log" 2>&1 || skip "apt cannot fetch its package lists ($(tail -n 1 "$log"))"
  apt-get "${options[@]}" install -y --reinstall --no-install-recommends --download-only \
    $([ -n "$chromium" ] || echo chromium) fonts-inter fonts-jetbrains-mono "${kerberos[@]}" >"$log" 2>&1 ||
    skip "apt cannot fetch Chromium and libkrb5-dev ($(tail -n 1 "$log"))"
  for file in "$home"/apt/cache/archives/*.deb; do dpkg-deb -x "$file" "$root"; done
  rm -rf "$home/apt"
  touch "$root/complete"
fi

libraries=$(find "$root/usr/lib" -maxdepth 1 -type d -name '*-linux-gnu' -print -quit)
cat >"$home/fonts.conf" <<END
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>$root/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>$home/fonts</cachedir>
  <alias><family>sans-serif</family><prefer><family>Inter</family></prefer></alias>
  <alias><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>JetBrains Mono</family></prefer></alias>
</fontconfig>
END
# The system's own Chromium is taken if there is one: its libraries fit it.
if [ -z "$chromium" ]; then
  chromium=$root/usr/lib/chromium/chromium
  path=$libraries:$libraries/pulseaudio:$(dirname "$libraries"):$root${libraries#"$root/usr"}
else
  path=
fi
# `exec` and a path of its own, so that the program finds its resources beside itself.
printf '#!/bin/sh\nexport FONTCONFIG_FILE=%s LD_LIBRARY_PATH=%s\nexec %s "$@"\n' "$home/fonts.conf" "$path" "$chromium" >"$dir/bin/chromium"
chmod +x "$dir/bin/chromium"
[ -n "$(version "$dir/bin/chromium")" ] || skip "Chromium does not start ($("$dir/bin/chromium" --version 2>&1 | tail -n 1))"

echo "vscode: building code-server $code_server takes about 4 minutes" >&2
fetch() { npm install --no-audit --no-fund --loglevel=error --save-exact --prefix "$home" "$@" </dev/null >"$log" 2>&1; }
export npm_config_cache=$home/cache npm_config_update_notifier=false
[ -e "$home/package.json" ] || echo '{ "private": true }' >"$home/package.json"
fetch "node-linux-$machine@$node" "npm@$npm" "playwright-core@$playwright" ||
  skip "npm cannot fetch Node $node ($(grep -m 1 ERR "$log" || tail -n 1 "$log"))"
node_home=$home/node_modules/node-linux-$machine
ln -sf "$node_home/bin/node" "$dir/bin/node24"

# Native modules are compiled with Node 24's own headers, which its package holds, and by its own npm.
mkdir -p "$home/path"
ln -sf "$node_home/bin/node" "$home/path/node"
for name in npm npx; do
  printf '#!/bin/sh\nexec %s %s "$@"\n' "$node_home/bin/node" "$home/node_modules/npm/bin/$name-cli.js" >"$home/path/$name"
  chmod +x "$home/path/$name"
done
export PATH=$home/path:$PATH npm_config_nodedir=$node_home
export CPATH=$root/usr/include:$root/usr/include/mit-krb5 LIBRARY_PATH=$libraries/mit-krb5:$libraries:$root${libraries#"$root/usr"}
fetch "code-server@$code_server" --foreground-scripts ||
  skip "npm cannot build code-server $code_server ($(grep -m 1 -i 'err' "$log" || tail -n 1 "$log"), the rest is in $log)"
rm -rf "$home/cache"
printf '#!/bin/sh\nexec %s %s "$@"\n' "$node_home/bin/node" "$home/node_modules/code-server/out/node/entry.js" >"$dir/bin/code-server"
chmod +x "$dir/bin/code-server"
[ -n "$(version "$dir/bin/code-server")" ] || skip "code-server does not start"
echo "$wanted" >"$home/installed"
there
