#!/bin/sh
# Fills a folder with a Debian that has Node.js and npm, as node:24-slim is one. Copied from this machine's own
# packages: 5 s, where debootstrap takes 50.
# Arguments: the folder, the program of Node.js
set -eu
folder=$1
node=$2

installed() { dpkg-query -W -f '${db:Status-Status} ${Priority} ${Package}\n' "$@" 2>/dev/null || true; }
required=$(installed | sed -n 's/^installed required //p')
with_dependencies=$(apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks \
  --no-replaces --no-enhances $required apt | grep '^[a-z0-9]')
# It also names virtual packages, which dpkg does not know.
packages=$(installed $with_dependencies | sed -n 's/^installed [a-z]* //p' | sort -u)

for link in bin sbin lib lib32 lib64 libx32; do
  [ -L "/$link" ] && mkdir -p "$folder/usr/$link" && ln -s "usr/$link" "$folder/$link"
done
dpkg-query -L $packages | sort -u |
  grep -E '^/.' | grep -v -E '^/(\.|bin|sbin|lib|lib32|lib64|libx32)$|^/usr/share/(doc|info|locale|man)/' |
  sed 's,^/,,' > "$folder/files"
# Some files of a package may have been removed, for example by the image that this machine was made from.
tar -C / -c --no-recursion --ignore-failed-read -T "$folder/files" 2>/dev/null |
  tar -C "$folder" -x --keep-directory-symlink
rm "$folder/files"

mkdir -p "$folder/var/lib/dpkg/info" "$folder/etc/apt/sources.list.d" "$folder/tmp" "$folder/var/tmp"
chmod 1777 "$folder/tmp" "$folder/var/tmp"
dpkg-query -s $packages > "$folder/var/lib/dpkg/status"
for package in $packages; do
  for info in /var/lib/dpkg/info/"$package".* /var/lib/dpkg/info/"$package":*; do
    [ ! -e "$info" ] || cp "$info" "$folder/var/lib/dpkg/info/"
  done
done
cp -r /etc/apt/apt.conf.d "$folder/etc/apt/"
# The distribution's own sources, not those of others.
for sources in sources.list sources.list.d/debian.sources sources.list.d/ubuntu.sources; do
  [ ! -e "/etc/apt/$sources" ] || cp "/etc/apt/$sources" "$folder/etc/apt/$sources"
done
cp /usr/share/base-passwd/passwd.master "$folder/etc/passwd"
cp /usr/share/base-passwd/group.master "$folder/etc/group"
echo 'node:x:1000:1000::/home/node:/bin/sh' >> "$folder/etc/passwd"
echo 'node:x:1000:' >> "$folder/etc/group"
chroot "$folder" /sbin/ldconfig

local="$folder/usr/local"
mkdir -p "$local/bin" "$local/lib/node_modules"
cp "$node" "$local/bin/node"
cp -r "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")" "$local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$local/bin/npm"
# What npm has in its cache it need not ask for.
echo 'prefer-offline=true' >> "$local/lib/node_modules/npm/npmrc"
