#!/usr/bin/env bash
# Three networks with the same settings and budget (504 steps of one 256 x 256 patch):
# results/isbi2012/compare.sh DATA OUT [key=value ...]
set -euo pipefail
data=$1 out=$2
shift 2
for network in sf_network unet2d fusionnet; do
  python -m msseg run "configs/em/isbi2012_$network.yaml" --data "$data" --out "$out/$network" --resume \
    training.epochs=6 training.validate_every=2 patches.per_volume=4 "$@"
done
