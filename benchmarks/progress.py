"""Progress of long measurements, with an estimate of the time left."""

from collections.abc import Iterable, Iterator
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

# Seconds between two lines where the output is no terminal.
LINE_INTERVAL = 30.0


def track[T](
    console: Console, what: str, results: Iterable[T], total: int
) -> Iterator[T]:
    """Yield results; show how many there are, and how long the rest takes."""
    began = shown_at = time.perf_counter()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(what, total=total, left="")
        for done, result in enumerate(results, 1):
            now = time.perf_counter()
            left = time_left(now - began, done, total)
            progress.update(task, completed=done, left=left)
            if not console.is_terminal and now - shown_at >= LINE_INTERVAL:
                shown_at = now
                console.print(f"{what}: {done} of {total}, {left}")
            yield result


def time_left(elapsed: float, done: int, total: int) -> str:
    """Return the estimated time left, from the mean so far."""
    seconds = elapsed / done * (total - done)
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    return f"about {seconds / 60:.0f} min left"
