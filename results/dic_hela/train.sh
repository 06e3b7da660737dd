#!/usr/bin/env bash
# DIC-HeLa with the border-weighted loss and without: results/dic_hela/train.sh DATA OUT [key=value ...]
set -euo pipefail
data=$1 out=$2
shift 2
python -m msseg run configs/em/dic_hela_unet2d.yaml --data "$data" --out "$out/border_weighted_bce" --resume "$@"
python -m msseg run configs/em/dic_hela_unet2d.yaml --data "$data" --out "$out/bce" --resume loss=bce "$@"
