"""The loss functions: logits and targets of the same shape in, one number out."""
