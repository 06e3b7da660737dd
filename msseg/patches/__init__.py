"""Patches: where they are drawn, how they are augmented, and how they reach the network."""
