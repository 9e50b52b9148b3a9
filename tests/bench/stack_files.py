"""What the program makes of a stack file that a bench writes."""

import json

import yaml

from infra.settings import Settings


def settings(stack_file: str) -> Settings:
    """As the engine hands them over: all that is not text as JSON."""
    found = yaml.safe_load(stack_file)["config"]
    values = {k.removeprefix("mooring:"): v if isinstance(v, str) else json.dumps(v) for k, v in found.items()}
    return Settings.from_values(values, "stacks/Pulumi.bench.yaml", "mooring")
