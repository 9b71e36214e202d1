"""A program that makes clients of an OpenRPC document: it reads the document by OpenRPC's own schema, and answers by
what the document says of them.

On standard input is an object: `openrpc` and `schema` are the meta schemas of OpenRPC and of JSON Schema as that has
it, `document` is what `rpc.discover` said, and `answers` are pairs of a method and what it was answered with.
"""

import json
import sys

import jsonschema_rs

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"


def resource(schema):
    """Read as draft 7, which they are: each names itself as what it is written by."""
    return schema | {"$schema": DRAFT_7}


said = json.load(sys.stdin)
document = said["document"]
# It is referred to with the slash and without.
places = ["https://meta.json-schema.tools", "https://meta.json-schema.tools/"]
known = jsonschema_rs.Registry([(place, resource(said["schema"]) | {"$id": place}) for place in places])
meta = jsonschema_rs.validator_for(resource(said["openrpc"]), registry=known)
faults = [f"{error.instance_path}: {error.message}" for error in meta.iter_errors(document)]
assert not meta.is_valid(document | {"methods": [{"name": "x"}]}), "what is no document is none"

results = {
    method["name"]: jsonschema_rs.validator_for(
        {"$schema": DRAFT_2020, "components": document["components"], "allOf": [method["result"]["schema"]]}
    )
    for method in document["methods"]
}
for method, answer in said["answers"]:
    faults += [f"{method} {list(error.instance_path)}: {error.message}" for error in results[method].iter_errors(answer)]
faults += [f"{method} was not answered" for method in results.keys() - {method for method, _ in said["answers"]}]
# What any value fulfils tells nobody anything.
strange = ["strange", {"strange": 1}, [None], None]
faults += [f"{method} may be anything" for method, result in results.items() if any(map(result.is_valid, strange))]
print("\n".join(faults) or "well")
