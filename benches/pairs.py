"""Runs in pairs: the order turns around, so that a change of the machine's pace meets all alike."""

import statistics

import table


def paired(contestants, pairs, one_run):
    """The runs of each contestant."""
    runs = {contestant: [] for contestant in contestants}
    for pair in range(pairs):
        for contestant in contestants if pair % 2 == 0 else reversed(contestants):
            runs[contestant].append(one_run(contestant))
    return runs


def show_ratios(heading, *rows):
    """Prints pair by pair, and the median, for rows of a name, the dividends and the divisors."""
    print(heading)
    shown = []
    for name, dividends, divisors in rows:
        ratios = [dividend / divisor for dividend, divisor in zip(dividends, divisors)]
        shown.append((name, *ratios, statistics.median(ratios)))
    pairs = range(1, len(shown[0]) - 1)
    table.show(("ratio", *(f"pair {pair}" for pair in pairs), "median"), *shown)


def median(runs, figure):
    """Of the runs."""
    return statistics.median(map(figure, runs))
