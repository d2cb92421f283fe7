"""One live line about a run: steps, return, ε, loss, speed, time left. Plain lines where none is redrawn."""

from typing import Any

from deltarule.training.history import Row
from deltarule.training.progress import Progress as Lines
from deltarule.training.progress import duration


class Progress(Lines):
    """Shows the means over the agents of their newest rows."""

    def __init__(self, before: int, steps: int, path: str, wanted: bool | None):
        super().__init__(steps, None, wanted)
        self.before, self.path = before, path

    def show(self, rows: list[Row], at: Any = None) -> None:  # type: ignore[override]
        """Tells of the agents' rows."""
        told = mean(rows) | {"epoch": len(at.rows[0]), "moves": at.moves, "agents": len(rows)}
        super().show(told)

    def share(self, row: dict[str, Any]) -> float:
        return (row["steps"] - self.before) / (self.epochs - self.before)

    def text(self, row: dict[str, Any]) -> str:
        """The line for a row."""
        share = self.share(row)
        parts = [f"step {row['steps']:,}/{self.epochs:,} ({self.path})"]
        if row["agents"] > 1:
            parts.append(f"{row['agents']} agents")
        for name, form in (
            ("return", ".1f"),
            ("evaluated", ".1f"),
            ("epsilon", ".3f"),
            ("loss", ".3g"),
            ("q", ".3g"),
        ):
            if row.get(name) is not None:
                parts.append(f"{name.replace('evaluated', 'greedy')} {row[name]:{form}}")
        parts.append(f"{row['moves'] / max(row['seconds'], 1e-9):,.0f} steps/s")
        parts.append(f"{duration(row['seconds'] * (1 - share) / share)} left")
        return "  ".join(parts)


def mean(rows: list[Row]) -> Row:
    """The mean of each figure over the rows that have it."""
    found: Row = {}
    for name in rows[0]:
        values = [row[name] for row in rows if row.get(name) is not None]
        found[name] = type(values[0])(sum(values) / len(values)) if values else None
    return found
