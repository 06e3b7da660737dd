"""From a model folder and image files to masks: devices, sliding windows, predictions, batches."""
