"""The inputs of docker-build:index:Image: which are known, what is refused, what a change of them means.

Refused by name is what the docker client of Debian 12 or this stand-in cannot do; ignoring it would build
another image than the program asked for. Source of the rules: provider/internal/image.go of pulumi-docker-
build 0.0.22.
"""

from __future__ import annotations

from pathlib import Path

from emulator.plugins.errors import PluginError
from emulator.plugins.registry import Reference
from emulator.plugins.values import UNKNOWN, Properties, same

KNOWN = {
    "addHosts": list,
    "buildArgs": dict,
    "buildOnPreview": bool,
    "context": dict,
    "dockerfile": dict,
    "ignoreSecretsInDiffCalculation": list,
    "labels": dict,
    "load": bool,
    "network": str,
    "noCache": bool,
    "platforms": list,
    "pull": bool,
    "push": bool,
    "registries": list,
    "secrets": dict,
    "tags": list,
    "target": str,
}
REFUSED = {
    "builder": "it builds with the engine's own BuildKit",
    "cacheFrom": "it has the engine's own cache only",
    "cacheTo": "it has the engine's own cache only",
    "exec": "it always runs the docker client, but not buildx",
    "exports": "use push or load",
    "ssh": "pass secrets instead",
}
OUTPUTS = ("digest", "contextHash", "ref")


def with_defaults(news: Properties) -> Properties:
    """Return the inputs with what pulumi-docker-build fills in."""
    inputs = {"buildOnPreview": True, "network": "default", "push": False, **news}
    context = inputs.setdefault("context", {"location": "."})
    location = context.get("location") if isinstance(context, dict) else UNKNOWN
    if "dockerfile" not in inputs and isinstance(location, str) and location != UNKNOWN:
        inputs["dockerfile"] = {"location": str(Path(location) / "Dockerfile")}
    return inputs


def failures(inputs: Properties) -> list[tuple[str, str]]:
    """Return (property, reason) for everything that is wrong."""
    found = []
    for name, value in inputs.items():
        if name in REFUSED:
            if value not in (None, False, [], {}):
                found.append((name, f"the docker-build stand-in does not support '{name}': {REFUSED[name]}"))
        elif name not in KNOWN:
            known = ", ".join(sorted(KNOWN))
            found.append((name, f"'{name}' is not an input of docker-build:index:Image; it has {known}"))
        elif value != UNKNOWN and not isinstance(value, KNOWN[name]):
            found.append((name, f"'{name}' should be of type {KNOWN[name].__name__}"))
    if found:
        return found
    files = _context(inputs) or _dockerfile(inputs)
    return [*files, *_tags(inputs), *_platforms(inputs)]


def _context(inputs: Properties) -> list[tuple[str, str]]:
    context = inputs["context"]
    if context == UNKNOWN:
        return []
    if context.get("named"):
        return [("context.named", "the docker-build stand-in does not support named contexts")]
    location = context.get("location", ".")
    if location == UNKNOWN or Path(location).is_dir():
        return []
    if "://" in location or location == "-":
        return [("context.location", "the docker-build stand-in builds local folders only")]
    return [("context.location", f'"{location}": not a valid directory or URL')]


def _dockerfile(inputs: Properties) -> list[tuple[str, str]]:
    dockerfile = inputs.get("dockerfile")
    if dockerfile in (None, UNKNOWN) or has_both(dockerfile):
        reason = 'only specify "file" or "inline", not both'
        return [("dockerfile", reason)] if isinstance(dockerfile, dict) else []
    location = dockerfile.get("location", UNKNOWN)
    if location == UNKNOWN or Path(location).is_file():
        return []
    return [("dockerfile.location", f"open {location}: no such file or directory")]


def has_both(dockerfile: Properties) -> bool:
    return bool(dockerfile.get("location")) and bool(dockerfile.get("inline"))


def _tags(inputs: Properties) -> list[tuple[str, str]]:
    found = []
    for i, tag in enumerate(inputs.get("tags", []) if inputs.get("tags") != UNKNOWN else []):
        if tag != UNKNOWN and inputs.get("push") is True:
            try:
                Reference.parse(tag)
            except PluginError as error:
                found.append((f"tags[{i}]", str(error)))
    if inputs.get("push") is True and not inputs.get("tags"):
        found.append(("tags", "push needs at least one tag (HOST/REPOSITORY:TAG)"))
    return found


def _platforms(inputs: Properties) -> list[tuple[str, str]]:
    platforms = inputs.get("platforms", [])
    if platforms != UNKNOWN and len(platforms) > 1:
        return [("platforms", "the docker-build stand-in builds one platform at a time: name one")]
    return []


def changes(olds: Properties, news: Properties) -> list[str]:
    """Return the paths that differ between the state and new inputs, the context's content aside."""
    skipped = {"registries", "secrets", "context", "ignoreSecretsInDiffCalculation"}
    found = [
        name for name in KNOWN if name not in skipped and not same(_plain(olds, name), _plain(news, name))
    ]
    if not same(_part(olds, "context", "location"), _part(news, "context", "location")):
        found.append("context.location")
    if not same(*_secrets(olds, news)):
        found.append("secrets")
    if news.get("pull") is True and (news.get("push") or news.get("load")):
        found.append("contextHash")  # pull asks for fresh base layers, so it always builds
    return found + _registries(olds, news)


def _plain(values: Properties, name: str) -> object:
    """Absent and empty are the same, as they are in Go."""
    value = values.get(name)
    return None if value in (False, "", [], {}) else value


def _part(values: Properties, name: str, part: str) -> object:
    holder = values.get(name)
    return holder.get(part) if isinstance(holder, dict) else holder


def _secrets(olds: Properties, news: Properties) -> tuple[object, object]:
    before, after = olds.get("secrets") or {}, news.get("secrets") or {}
    if UNKNOWN in (before, after):
        return before, after
    ignored = {
        name for name in news.get("ignoreSecretsInDiffCalculation") or [] if name in before and name in after
    }
    kept = [{name: value for name, value in side.items() if name not in ignored} for side in (before, after)]
    return kept[0], kept[1]


def _registries(olds: Properties, news: Properties) -> list[str]:
    """Passwords may change: tokens are new on every run."""
    before, after = olds.get("registries") or [], news.get("registries") or []
    if UNKNOWN in (before, after) or len(before) != len(after):
        return [] if before == after else ["registries"]
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        if any(_field(old, name) != _field(new, name) for name in ("username", "address")):
            return [f"registries[{i}]"]
    return []


def _field(registry: object, name: str) -> object:
    return registry.get(name) if isinstance(registry, dict) else registry
