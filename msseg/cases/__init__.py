"""Cases: which files belong together, who they are of, and who trains, validates and is tested.

Nothing here opens an image: cases are found by the names of files (a layout) or by a table.
"""
