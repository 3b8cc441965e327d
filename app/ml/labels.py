"""A classification's labels and their codes, whatever a number's spelling or a trailing dot."""

from __future__ import annotations

from app.ml.values import label


class Labels:
    """`code` is a label's index, or None where it is not one of them."""

    def __init__(self, labels: tuple[str, ...]):
        self.labels = labels
        self._codes = {text: i for i, text in enumerate(labels)}

    def code(self, cell: str) -> int | None:
        found = self._codes.get(cell)
        return self._codes.get(label(cell)) if found is None else found

    def respelt(self, cell: str) -> bool:
        """Known only after its trailing dot is ignored."""
        return cell.endswith(".") and cell not in self._codes and self.code(cell) is not None
