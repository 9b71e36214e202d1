"""Reads metrics from standard input with Prometheus' own Python library, and prints what it understood as JSON.

Its first argument is the format: `openmetrics`, which it holds to the letter, or `text`.
"""

import json
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

page = sys.stdin.read()
parse = openmetrics if sys.argv[1] == "openmetrics" else parser
families = [
    {
        "name": family.name,
        "type": family.type,
        "unit": family.unit,
        "help": family.documentation,
        "samples": [{"name": s.name, "labels": s.labels, "value": s.value} for s in family.samples],
    }
    for family in parse.text_string_to_metric_families(page)
]
json.dump(families, sys.stdout)
