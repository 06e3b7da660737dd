"""Engines: what computes a network. PyTorch is the reference; the others compute its export, and do without it."""
