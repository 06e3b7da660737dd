#!/usr/bin/env bash
# The long training of SF Network: results/isbi2012/train.sh DATA OUT [key=value ...]
# DATA holds train-volume.tif and train-labels.tif of the ISBI 2012 challenge; OUT gets the run folder sf_network_long.
set -euo pipefail
data=$1 out=$2
shift 2
python -m msseg run configs/em/isbi2012_sf_network.yaml --data "$data" --out "$out/sf_network_long" --resume "$@"
