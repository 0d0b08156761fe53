"""Colours that colour-blind people can tell apart, on light and on dark.

Categories: Okabe and Ito, https://jfly.uni-koeln.de/color/, without black and yellow, which one of the two grounds
would swallow. Amounts: the blues of ColorBrewer, https://colorbrewer2.org.
"""

from __future__ import annotations

CATEGORIES = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#8C6BB1", "#999999")
RIGHT, WRONG = CATEGORIES[0], CATEGORIES[3]
AMOUNTS = ("#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#084594")
PRIMARY = "#00598c"  # 7.4:1 on white
ACCENT = CATEGORIES[3]


def category(number: int) -> str:
    """A colour for the n-th category; they begin anew after the last."""
    return CATEGORIES[number % len(CATEGORIES)]
