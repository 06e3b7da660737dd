"""What a batch says at its end about the cases that failed."""

from collections.abc import Mapping


def failure_table(failures: Mapping[str, object]) -> str:
    """Cases and reasons, one line each under a headline, in columns: `case  reason`.

    Args:
        failures: The reason (an exception or a text) by case, in the order of the batch.
    """
    rows = [("case", "reason"), *((case, one_line(reason)) for case, reason in failures.items())]
    width = max(len(case) for case, _ in rows)
    return "\n".join(f"{case:<{width}}  {reason}" for case, reason in rows)


def one_line(reason: object) -> str:
    """A reason as one line; an exception without words gives its name."""
    words = " ".join(str(reason).split())
    return words or type(reason).__name__
