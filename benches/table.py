"""Prints rows as the Markdown table that README.md shows."""


def show(heading, *rows):
    """The first column to the left, the others to the right."""
    cells = [[text(cell) for cell in row] for row in (heading, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    heading, *rows = [
        " | ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in cells
    ]
    rule = " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    print("", *(f"| {line} |" for line in (heading, rule, *rows)), "", sep="\n")


def text(cell):
    """Counts with separators, ratios with two digits."""
    match cell:
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:.2f}"
        case _:
            return str(cell)


def percent(share):
    """`0.5 %`"""
    return f"{share * 100:.1f} %"


def microseconds(seconds):
    """`130 µs`"""
    return f"{seconds * 1e6:.0f} µs"
