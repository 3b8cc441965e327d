"""Real data to start with: scikit-learn's bundled handwritten digits, as a CSV."""

from __future__ import annotations

import csv
import io

DIGITS_TARGET = "digit"


def digits_csv() -> bytes:
    """1,797 pictures of 8 by 8 pixels: columns `px_ROW_COLUMN` from 0 to 16, and the `digit`.

    Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine
    Learning Repository, 1998.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [*(f"px_{row}_{column}" for row in range(8) for column in range(8)), DIGITS_TARGET]
    )
    writer.writerows(
        [*map(int, pixels), int(digit)]
        for pixels, digit in zip(digits.data, digits.target, strict=True)
    )
    return out.getvalue().encode()
