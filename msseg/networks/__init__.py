"""The segmentation networks: volumes (B, C, X, Y, Z) in, logits (B, 1, X, Y, Z) out."""
