#!/bin/sh
# Debian replaces the libraries that Gerbera brings by packages of its own, but the page still asks for the versions of upstream
# (gerbera 2.4.1+dfsg-1). The server answers such a request with status 200 and no bytes, so the page stays blank. Give each library the
# name that the page asks for, then fail the build if anything is missing.
set -eu
packages=${PACKAGES:-/usr/share} # another folder is for the tests
cd "$packages/gerbera/web"

asked() { # names of local files that the page loads, without comments
  sed -E 's/<!--.*-->//g' index.html | grep -oE '(src|href)="[^":?#]+\.(js|css|ico)' | sed -E 's/^[a-z]+="//'
}

# Bootstrap 4.6 uses Popper; Tether is of its first drafts, and Debian has no package of it.
sed -i '/<script src="vendor\/tether-[^"]*"/d' index.html
for name in $(asked); do
  [ ! -s "$name" ] || continue
  case $name in
    vendor/bootstrap-4*) ln -sfn bootstrap "$(echo "$name" | cut -d/ -f1,2)" ;;
    vendor/jquery/jquery-[0-9]*) ln -sf "$packages/javascript/jquery/jquery.min.js" "$name" ;;
    vendor/md5.min.js) ln -sf "$packages/javascript/blueimp-md5/md5.min.js" "$name" ;;
  esac
done
# The page loads Popper as a plain script, but the package's file of that name is a module. It ships a plain script too.
popper=$packages/nodejs/popper.js/dist/umd/popper.min.js
for name in $(asked); do
  case $name in
    vendor/popper/popper.min.js) [ ! -s "$popper" ] || ln -sf "$popper" "$name" ;;
  esac
done
mkdir -p vendor/lato
for kind in woff2 woff; do # a browser tells the format of a font by its first bytes
  ln -sf "$packages"/fonts/truetype/lato/Lato-Regular.ttf "vendor/lato/lato-v14-latin-ext_latin-regular.$kind"
done

for name in $(asked); do
  [ -s "$name" ] || { echo "the page asks for $name, which is missing or empty" >&2; exit 1; }
done
