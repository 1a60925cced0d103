#!/usr/bin/env bash
# Builds kube-apiserver 1.20.2 and kube-controller-manager from Debian 12's source package, with etcd from its binary
# package, into the folder given as $1. Nothing is installed on the system; apt's lists and archives are private.
# About 125 MB are fetched from the machine's own mirror, and 3 to 4 minutes of two cores are spent, once.
set -euo pipefail

target=$(mkdir -p "$1" && cd "$1" && pwd)
work=$target/build
rm -rf "$work"
mkdir -p "$work"/apt/lists/partial "$work"/apt/cache/archives/partial "$work"/root "$work"/go/src/k8s.io
cd "$work"

# The machine's own sources, with source packages beside binary ones
. /etc/os-release
[ "${VERSION_CODENAME:-}" = bookworm ] || { echo "needs Debian 12 (bookworm), this is ${PRETTY_NAME:-unknown}"; exit 3; }
if [ -f /etc/apt/sources.list.d/debian.sources ]; then
    sources=$work/apt/debian.sources
    sed 's/^Types:.*/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources >"$sources"
else
    sources=$work/apt/sources.list
    grep '^deb ' /etc/apt/sources.list >"$sources"
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >>"$sources"
fi
cat >apt.conf <<CONF
Dir::Etc::sourcelist "$sources";
Dir::Etc::sourceparts "-";
Dir::State::lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
export APT_CONFIG=$work/apt.conf
apt-get -qq update
apt-get -qq download golang-1.19-go golang-1.19-src etcd-server golang-github-modern-go-reflect2-dev
apt-get -qq source --download-only kubernetes
for package in *.deb; do dpkg -x "$package" root; done
dpkg-source --no-check -x kubernetes_*.dsc go/src/k8s.io/kubernetes >/dev/null

# Go as Debian installs it: its sources lie beside it
export GOROOT=$work/goroot GOPATH=$work/go GO111MODULE=off CGO_ENABLED=0 GOPROXY=off GOFLAGS= GOCACHE=$work/gocache
mkdir "$GOROOT"
cp -r root/usr/share/go-1.19/. root/usr/lib/go-1.19/. "$GOROOT" 2>/dev/null || true
for part in "$GOROOT"/*; do  # links that point to the system's own places
    [ -L "$part" ] && { rm "$part"; cp -r "$work/root/usr/share/go-1.19/$(basename "$part")" "$part"; }
done
export PATH=$GOROOT/bin:$PATH
cd "$GOPATH/src/k8s.io/kubernetes"

# The vendored reflect2 crashes with this Go at the first custom resource
rm -rf vendor/github.com/modern-go/reflect2
cp -r "$work"/root/usr/share/gocode/src/github.com/modern-go/reflect2 vendor/github.com/modern-go/reflect2

go build -o "$work/openapi-gen" k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
staging=$(printf 'vendor/k8s.io/%s ' api apimachinery apiserver client-go kube-aggregator apiextensions-apiserver \
    component-base kube-controller-manager kube-scheduler kube-proxy kubelet metrics cloud-provider)
# shellcheck disable=SC2086
packages=$(grep -rl --include='*.go' '+k8s:openapi-gen=' $staging pkg cmd | grep -v '/zz_' | xargs -n1 dirname | sort -u |
    sed 's,^,k8s.io/kubernetes/,' | paste -sd,)
"$work/openapi-gen" -i "$packages" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
    -h hack/boilerplate/boilerplate.generatego.txt --output-base "$GOPATH/src" -r "$work/violations"

for program in kube-apiserver kube-controller-manager; do
    go build -tags providerless -ldflags "-s -w" -o "$target/$program" "k8s.io/kubernetes/cmd/$program"
done
cp "$work/root/usr/bin/etcd" "$target/etcd"
cd "$target"
chmod -R u+w "$work"
rm -rf "$work"
date -u +%FT%TZ >"$target/.finished"
