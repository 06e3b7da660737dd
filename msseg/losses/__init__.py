"""The loss functions: logits and targets of the same shape in, one number out.

Every loss states over what its sums are taken, and holds for patches without foreground: a perfect prediction costs 0
there, a false positive more than 0.
"""
