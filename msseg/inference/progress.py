"""What a user sees while cases are worked on one by one: a bar in a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print a line as it is: file names may hold brackets, and a pipe wants long lines whole."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def case_progress(console: Console, doing: str, cases: int) -> Iterator[Callable[[], None]]:
    """Show a bar with cases per second and time left, in a terminal; gives the function to call after each."""
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        CasesPerSecond(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(doing, total=cases)
        yield lambda: bar.advance(task)


class CasesPerSecond(ProgressColumn):
    """How fast the cases go."""

    def render(self, task: Task) -> Text:
        """Text like `0.25 cases/s`."""
        speed = task.finished_speed or task.speed
        return Text("- cases/s" if speed is None else f"{speed:.2f} cases/s")
