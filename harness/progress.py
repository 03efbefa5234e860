"""Progress of long runs, with an estimate of the time left."""

from collections.abc import Callable, Iterable, Iterator
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

# Seconds between two lines where the output is no terminal.
LINE_INTERVAL = 30.0
# Share of the whole work from which on the rest is estimated.
_FIRST_ESTIMATE = 0.02


def track[T](
    console: Console,
    what: str,
    results: Iterable[T],
    total: int,
    share: Callable[[T], float] | None = None,
) -> Iterator[T]:
    """Yield results; show how many there are, and how long the rest takes.

    `share` returns the share of a result in the whole work, by default that of all.
    """
    began = shown_at = time.perf_counter()
    completed = 0.0
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # Processes may be forked meanwhile: without a thread, and with the real stdout.
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        task = progress.add_task(what, total=total, left="")
        for done, result in enumerate(results, 1):
            now = time.perf_counter()
            completed += 1.0 / total if share is None else share(result)
            left = time_left(now - began, completed)
            progress.update(task, completed=done, left=left, refresh=True)
            if not console.is_terminal and now - shown_at >= LINE_INTERVAL:
                shown_at = now
                if done < total:
                    count = f"{what}: {done} of {total}"
                    console.print(f"{count}, {left}" if left else count)
            yield result


def time_left(elapsed: float, completed: float) -> str:
    """Return the estimated time left; `completed` is the share of the whole work.

    It is empty at first: results of parallel processes come late, and then many.
    """
    if completed < _FIRST_ESTIMATE:
        return ""
    seconds = max(0.0, elapsed / completed - elapsed)
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    return f"about {seconds / 60:.0f} min left"
