"""Result of a measurement that has bounds."""

from collections.abc import Collection

from rich.console import Console


def report_misses(console: Console, misses: Collection[str]) -> int:
    """Print the missed bounds; return the exit status, 1 if there are any."""
    for miss in misses:
        console.print(f"[red]Missed:[/red] {miss}")
    if misses:
        return 1
    console.print("[green]All bounds are met.[/green]")
    return 0
