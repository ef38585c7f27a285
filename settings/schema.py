"""Write docs/schema/*.json from the models, for completion in an editor.

    python -m settings.schema [--check]

`stack.schema.json` is for a whole Pulumi.STACK.yaml; the others for one endpoint, deployment, environment
or model. Point an editor at it with a first line `# yaml-language-server:
$schema=docs/schema/stack.schema.json`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from settings.base import Section
from settings.deployment import Deployment
from settings.endpoint import Endpoint
from settings.environment import Environment
from settings.errors import NAMESPACE
from settings.models import Model
from settings.stack import StackSettings

FOLDER = Path("docs/schema")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
PARTS: dict[str, type[Section]] = {
    "endpoint": Endpoint,
    "deployment": Deployment,
    "environment": Environment,
    "model": Model,
}


def main(argv: list[str] | None = None) -> int:
    """Write the files, or say whether they are current."""
    parser = argparse.ArgumentParser(prog="python -m settings.schema", description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say whether the files are current")
    options = parser.parse_args(argv)
    stale = []
    for name, text in files().items():
        path = FOLDER / name
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(str(path))
    for path_text in stale:
        print(f"{path_text} is not current. Run `python -m settings.schema`.", file=sys.stderr)
    return 1 if stale else 0


def files() -> dict[str, str]:
    """Every schema by its file name."""
    schemas = {f"{name}.schema.json": section.model_json_schema() for name, section in PARTS.items()}
    schemas["stack.schema.json"] = stack_file()
    return {name: _text(schema) for name, schema in schemas.items()}


def stack_file() -> dict[str, Any]:
    """A whole stack file: our keys with their prefix; other providers' keys as they please."""
    schema = StackSettings.model_json_schema()
    definitions = schema.pop("$defs", {})
    own = {f"{NAMESPACE}:{key}": value for key, value in schema["properties"].items() if key != "location"}
    config = {
        "type": "object",
        "properties": {"azure-native:location": schema["properties"]["location"], **own},
        "patternProperties": {f"^(?!{NAMESPACE}:)[^:]+:": {}},
        "required": [f"{NAMESPACE}:{key}" for key in schema["required"]],
        "additionalProperties": False,
    }
    return {
        "title": "Pulumi.STACK.yaml",
        "type": "object",
        "properties": {
            "config": config,
            "encryptionsalt": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "secretsprovider": {"type": "string"},
            "environment": {},
        },
        "$defs": definitions,
    }


def _text(schema: dict[str, Any]) -> str:
    """Deterministic, and open for what az ml's own files carry: `$schema`."""
    for part in [schema, *schema.get("$defs", {}).values()]:
        if (
            part.get("additionalProperties") is False
            and "properties" in part
            and "config" not in part["properties"]
        ):
            part["properties"] = {"$schema": {"type": "string"}, **part["properties"]}
    return json.dumps({"$schema": DIALECT, **schema}, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
