#!/usr/bin/env bash
# The losses of Kim 2020, and two for membranes, on one small U-Net: the same budget (336 steps of one 256 x 256
# patch), one seed. results/losses/train.sh DATA OUT SEED [key=value ...], from the repository's root
set -euo pipefail
data=$1 out=$2 seed=$3
shift 3
declare -A losses=(
  [bce]=bce [dice]=dice [bce_dice]=bce_dice [focal]=focal [iou]=iou [tversky]=tversky
  [weighted_bce]="{name: weighted_bce, background: 3}" [bce_cldice]="{bce: 1, cldice: {weight: 0.5, of: background}}"
)

train() {  # LOSS SEED [key=value ...]
  python -m msseg run configs/em/isbi2012_unet2d.yaml --data "$data" --out "$out/$1_$2" --resume \
    data.cache="$out/cache" network.base_channels=16 loss="${losses[$1]}" training.seed="$2" \
    training.epochs=4 training.validate_every=1 patches.per_volume=4 "${@:3}"
}

for loss in bce dice bce_dice focal iou tversky weighted_bce bce_cldice; do train "$loss" "$seed" "$@"; done
