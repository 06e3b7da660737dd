"""Volumes: reading and writing files, the way to the network's grid and back, preprocessing and its cache."""
