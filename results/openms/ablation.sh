#!/usr/bin/env bash
# What patches without lesion and contrast augmentation buy: 3D U-Net on FLAIR, trained on patient 19 for 160 steps, tested on
# patient 07. From the published patches and augmentation to those of configs/ms/openms_unet3d.yaml in two steps.
# Usage: results/openms/ablation.sh DATA [OUT]
set -euo pipefail
data=$1 out=${2:-runs/openms_ablation}
cd "$(dirname "$0")/../.."
paper='[{name: motion, probability: 0.2}, {name: bias_field, probability: 0.2}, {name: noise, probability: 0.2},
        {name: flip, probability: 0.5}, {name: affine, probability: 0.5}, {name: elastic, probability: 0.2}]'

train() {  # NAME SETTING...
    if [ -e "$out/$1/report.html" ]; then return; fi
    "${MSSEG:-msseg}" run configs/ms/openms_unet3d.yaml --data "$data" --out "$out/$1" --channel FLAIR \
        "name=$1" training.epochs=4 training.threads=1 training.workers=0 "${@:2}"
}

train lesion_patches_only patches.lesion_share=1 "augmentation=$paper"
train half_anywhere patches.lesion_share=0.5 "augmentation=$paper"
train half_anywhere_and_contrast patches.lesion_share=0.5
