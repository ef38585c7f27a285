"""Put the bodies of a folder together as one stack."""

import argparse
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from settings.checks.names import HASH_SUFFIX, LONGEST_DEPLOYMENT
from settings.migrate.clean import Cleaner
from settings.migrate.read import File, FolderError, Found
from settings.references import parse


@dataclass
class Conversion:
    """The stack's configuration without prefixes, and what was changed on the way."""

    config: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def convert(found: Found, options: argparse.Namespace) -> Conversion:
    """One stack of everything the folder holds."""
    cleaner = Cleaner(options.project)
    assets = {"models": {}, "environments": {}} if options.adopt else _registered(found, cleaner)
    endpoints = _endpoints(found, cleaner, options)
    for kind, field_name in (("models", "model"), ("environments", "environment")):
        _versions(assets[kind], endpoints, field_name, cleaner)
    platform = _platform(options)
    config = {
        **platform,
        **_network(platform, endpoints, cleaner),
        **{key: value for key, value in assets.items() if value},
        "endpoints": endpoints,
    }
    skipped = [
        f"{path.name} is neither endpoint, deployment, environment nor model; not read"
        for path in found.skipped
    ]
    if options.adopt:
        skipped += [
            f"{file.path.name} is not read: what runs has it registered, and the deployments refer to it"
            for file in [*found.files["model"], *found.files["environment"]]
        ]
    return Conversion(config, [*cleaner.notes, *skipped])


def _registered(found: Found, cleaner: Cleaner) -> dict[str, dict[str, Any]]:
    return {
        "models": _assets(found.files["model"], cleaner.model),
        "environments": _assets(found.files["environment"], cleaner.environment),
    }


def _adopted(deployment: dict[str, Any], cleaner: Cleaner) -> None:
    """What a running deployment names is registered: az ml did that before it made the deployment."""
    for key in ("model", "environment"):
        asset = deployment.get(key)
        if isinstance(asset, dict) and asset.get("name") and asset.get("version"):
            deployment[key] = f"azureml:{asset['name']}:{asset['version']}"
            cleaner.notes.append(
                f"the {key} of {deployment['name']} is registered already and became {deployment[key]}"
            )


def _platform(options: argparse.Namespace) -> dict[str, Any]:
    """az ml's files say nothing about where they go; names follow from the stack's unless they are given."""
    suffix = re.sub(r"[^a-z0-9-]+", "-", options.stack.lower()).strip("-")[:20] or "stack"
    existing = {"existing": True} if options.existing or options.adopt else {}
    return {
        "location": options.location,
        "resource_group": {"name": options.resource_group or f"rg-{suffix}", **existing},
        "workspace": {"name": options.workspace or f"mlw-{suffix.replace('-', '')}", **existing},
        "defaults": "azml",
    }


def _network(
    platform: dict[str, Any], endpoints: dict[str, Any], cleaner: Cleaner
) -> dict[str, dict[str, str]]:
    """A private endpoint of a new workspace, without which nobody could ask what has no public access."""
    closed = [
        name
        for name, endpoint in endpoints.items()
        if str(endpoint.get("public_network_access")).lower() == "disabled"
    ]
    if not closed or platform["workspace"].get("existing"):
        return {}
    name = platform["resource_group"]["name"].removeprefix("rg-")
    network = re.sub(r"[^\w.-]+", "-", f"vnet-{name}")[:64].rstrip(".-")
    cleaner.notes.append(
        f"{', '.join(closed)} has no public access, so the new workspace gets a private endpoint in a new "
        f"network ({network}). With a workspace and a network that are there: --existing, or write `network` "
        "yourself"
    )
    return {"network": {"name": network}}


def _assets(files: Iterable[File], clean: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for file in files:
        name = str(file.body.get("name") or file.path.stem)
        if name in out:
            raise FolderError(
                f"{file.path}: there are two files for {name}. A stack holds one version of an asset; "
                "leave one of them in the "
                "folder and refer to the other as azureml:NAME:VERSION."
            )
        out[name] = clean(file.body, file.path)
    return out


def _versions(assets: dict[str, Any], endpoints: dict[str, Any], key: str, cleaner: Cleaner) -> None:
    """A file without a version, and a deployment that names one: that is the one az ml would register."""
    for endpoint in endpoints.values():
        for deployment in endpoint["deployments"].values():
            found = parse(deployment[key]) if isinstance(deployment.get(key), str) else None
            asset = assets.get(found.name or "") if found else None
            if found and found.version and asset is not None and not asset.get("version"):
                asset["version"] = found.version
                cleaner.notes.append(
                    f"the {key} {found.name} has no version in its file and is named as version "
                    f"{found.version}; it gets that one"
                )


def _endpoints(found: Found, cleaner: Cleaner, options: argparse.Namespace) -> dict[str, Any]:
    adopted = {"import_": True} if options.adopt else {}
    endpoints: dict[str, Any] = {}
    for file in found.files["endpoint"]:
        name = cleaner.name(_called(file, found), file.path)
        if name in endpoints:
            raise FolderError(
                f"{file.path}: there are two files for the endpoint {name}. Leave one of them in the folder."
            )
        body = cleaner.endpoint({**file.body, "name": name}, file.path)
        endpoints[name] = {**body, **adopted, "deployments": {}}
    for file in found.files["deployment"]:
        name = _endpoint_of(file, endpoints)
        if name not in endpoints:
            cleaner.notes.append(
                f"{file.path.name}: there is no file for the endpoint {name}; it gets az ml's defaults"
            )
            endpoints[name] = {**adopted, "deployments": {}}
        key = cleaner.name(str(file.body.get("name") or file.path.stem), file.path)
        if key in endpoints[name]["deployments"]:
            raise FolderError(
                f"{file.path}: there are two files for {key} of {name}. Leave one of them in the folder."
            )
        body = cleaner.deployment({**file.body, "name": key, "endpoint_name": name}, file.path)
        if options.adopt:
            _adopted(body, cleaner)
        endpoints[name]["deployments"][key] = {**body, **_fixed(key, adopted, cleaner), **adopted}
    for name, endpoint in endpoints.items():
        _traffic(name, endpoint, cleaner, options.adopt)
    return endpoints


def _called(file: File, found: Found) -> str:
    """Without a name in the file (`az ml` has a flag for it) it is the endpoint that the deployments name."""
    said = {str(other.body.get("name")) for other in found.files["endpoint"]}
    wanted = {str(d.body["endpoint_name"]) for d in found.files["deployment"] if d.body.get("endpoint_name")}
    if not file.body.get("name") and len(wanted - said) == 1:
        return next(iter(wanted - said))
    return str(file.body.get("name") or file.path.stem)


def _fixed(name: str, adopted: dict[str, Any], cleaner: Cleaner) -> dict[str, Any]:
    """There must be room for a hash behind the name, unless the server keeps it."""
    if adopted or len(name) + HASH_SUFFIX <= LONGEST_DEPLOYMENT:
        return {}
    cleaner.notes.append(
        f"the deployment {name} gets `rollout: recreate`: its name leaves no room for a second server beside "
        f"it. At most {LONGEST_DEPLOYMENT - HASH_SUFFIX} characters do"
    )
    return {"rollout": "recreate"}


def _endpoint_of(file: File, endpoints: dict[str, Any]) -> str:
    """The file says it; az ml also takes it from the command line, so the only endpoint will do."""
    said = file.body.get("endpoint_name")
    if said:
        return str(said).lower()
    if len(endpoints) == 1:
        return next(iter(endpoints))
    raise FolderError(
        f"{file.path} does not say `endpoint_name`, and there is not exactly one endpoint. Add the key."
    )


def _traffic(name: str, endpoint: dict[str, Any], cleaner: Cleaner, adopt: bool) -> None:
    deployments = list(endpoint["deployments"])
    if endpoint.get("traffic") or len(deployments) < 2:
        if not endpoint.get("traffic"):
            endpoint.pop("traffic", None)
        return
    if adopt:
        raise FolderError(
            f"The endpoint {name} has several deployments and its file does not say who gets the traffic. "
            "Add `traffic` to "
            f"it as it is now: az ml online-endpoint show -n {name} --query traffic."
        )
    endpoint["traffic"] = {
        deployment: 100 if deployment == deployments[0] else 0 for deployment in deployments
    }
    cleaner.notes.append(
        f"endpoint {name}: no file says who gets the traffic; all of it goes to {deployments[0]}"
    )
