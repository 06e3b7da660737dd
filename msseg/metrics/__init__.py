"""Scores of segmentations: arrays in, numbers out."""
