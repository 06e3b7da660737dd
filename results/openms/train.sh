#!/usr/bin/env bash
# Trains and tests one network on the two patients of Open MS data, in both directions, each channel alone and FLAIR+T1.
# Usage: results/openms/train.sh NETWORK DATA [OUT]      NETWORK: residual_unet3d or unet3d; DATA: folder with patient07 and patient19
set -euo pipefail
network=$1 data=$2 out=${3:-runs/openms}
cd "$(dirname "$0")/../.."
settings=(training.threads=1 training.workers=0)   # one core for each network, so that both can be trained side by side

train() {  # TRAIN TEST EPOCHS NAME CHANNEL...
    local train=$1 test=$2 epochs=$3 name=$4 channels=()
    for channel in "${@:5}"; do channels+=(--channel "$channel"); done
    local folder="$out/$network/${train}_to_${test}_$name" resume=()
    if [ -e "$folder/config.yaml" ]; then resume=(--resume); fi
    "${MSSEG:-msseg}" run "configs/ms/openms_$network.yaml" --data "$data" --out "$folder" "${channels[@]}" "${resume[@]}" \
        "split.train=[$train]" "split.test=[$test]" "training.epochs=$epochs" "${settings[@]}"
}

train patient19 patient07 12 FLAIR FLAIR
train patient07 patient19 12 FLAIR FLAIR
train patient19 patient07 6 FLAIR+T1 FLAIR+T1
train patient07 patient19 6 FLAIR+T1 FLAIR+T1
train patient19 patient07 5 others T1 T2 T1POST
train patient07 patient19 5 others T1 T2 T1POST
