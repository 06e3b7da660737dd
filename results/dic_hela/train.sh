#!/usr/bin/env bash
# DIC-HeLa with the border-weighted loss and without, 768 steps of one 256 x 256 patch each:
# results/dic_hela/train.sh DATA OUT [key=value ...], from the repository's root
set -euo pipefail
data=$1 out=$2
shift 2
python -m msseg run configs/em/dic_hela_unet2d.yaml --data "$data" --out "$out/border_weighted_bce" --resume \
  training.epochs=8 training.validate_every=2 "$@"
python -m msseg run configs/em/dic_hela_unet2d.yaml --data "$data" --out "$out/bce" --resume \
  training.epochs=8 training.validate_every=2 loss=bce "$@"
