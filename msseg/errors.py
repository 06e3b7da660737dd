"""The exceptions that msseg raises on purpose.

Everything that is wrong with what a user gave (a file, a key, a folder) is an `InputError`: its message is one sentence
that says which input, what is wrong and what to do. The command line prints it and exits with code 2.
"""


class InputError(Exception):
    """Something a user gave cannot be used; the message is one clear sentence."""


class PartialFailureError(Exception):
    """Some cases of a batch failed and the others were completed; the command line exits with code 3."""
