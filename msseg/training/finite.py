"""Losses that are not finite, found without waiting for the device in every step."""

from collections.abc import Sequence

import torch
from torch import Tensor

LOOKED_AT_TOGETHER = 50
"""Steps on a GPU after which the losses are looked at: the CPU waits for the GPU then, and the queue runs empty."""


class FiniteLosses:
    """Looks at the losses of training steps: on a CPU at once, on a GPU many steps at a time."""

    def __init__(self, together: int = LOOKED_AT_TOGETHER) -> None:
        """Take the number of steps on a GPU that are looked at together."""
        self.together = together
        self.waiting: list[tuple[Tensor, Sequence[str]]] = []

    def look(self, loss: Tensor, cases: Sequence[str]) -> Sequence[str] | None:
        """Take the loss of a step, and the ids of the cases in its batch.

        Returns:
            Those of the first step that had no finite loss, as soon as it is known; else None.
        """
        self.waiting.append((loss.detach(), cases))
        at_once = loss.device.type == "cpu"
        return self.look_at_rest() if at_once or len(self.waiting) >= self.together else None

    def look_at_rest(self) -> Sequence[str] | None:
        """As `look`, for all steps that have not been looked at."""
        steps, self.waiting = self.waiting, []
        if not steps:
            return None
        finite = torch.stack([loss for loss, _ in steps]).isfinite().tolist()
        return next((cases for fine, (_, cases) in zip(finite, steps, strict=True) if not fine), None)
