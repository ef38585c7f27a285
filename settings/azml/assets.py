"""The PUTs of an environment version and of a model version."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from settings.environment import Environment, InferenceConfig
from settings.models import Model
from settings.probes import Route


def environment_body(
    environment: Environment, *, image: Any = None, context_uri: Any = None, folder: Path | str = "."
) -> dict[str, Any]:
    """The body of PUT environments/NAME/versions/VERSION.

    `image` is the resolved reference when the environment names an entry of `images`; `context_uri` the
    blob folder that a local build context was uploaded to; `folder` what a conda file's path is relative
    to. An environment without a name is anonymous, as for az ml.
    """
    properties: dict[str, Any] = {"isAnonymous": environment.anonymous, "isArchived": False}
    if environment.image is not None:
        properties["image"] = image if image is not None else environment.image
    if environment.build is not None:
        properties["build"] = _present(
            contextUri=context_uri if context_uri is not None else environment.build.path,
            dockerfilePath=environment.build.dockerfile_path,
        )
    conda = _conda(environment.conda_file, Path(folder))
    routes = _routes(environment.inference_config)
    extra = _present(
        condaFile=conda,
        osType=environment.os_type,
        inferenceConfig=routes,
        description=environment.description,
    )
    for name in ("tags", "properties"):
        if getattr(environment, name):
            extra[name] = dict(getattr(environment, name))
    return {"properties": {**properties, **extra}}


def model_body(model: Model, *, model_uri: Any = None) -> dict[str, Any]:
    """The body of PUT models/NAME/versions/VERSION; `model_uri` is where the files were copied to, if they
    were.
    """
    properties = _present(
        description=model.description,
        tags=dict(model.tags),
        properties=dict(model.properties),
        flavors={name: {"data": dict(data)} for name, data in model.flavors.items()}
        if model.flavors
        else None,
        modelType=model.type,
        modelUri=model_uri if model_uri is not None else model.path,
        stage=model.stage,
        isAnonymous=model.anonymous,
        isArchived=False,
    )
    return {"properties": properties}


def content_version(body: Mapping[str, Any], *more: str) -> str:
    """A version for an asset that has none: a hash of its body (and of `more`, a context's digest, say)."""
    text = json.dumps([body, *more], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _routes(config: InferenceConfig | None) -> dict[str, Any] | None:
    if config is None:
        return None
    return _present(
        livenessRoute=_route(config.liveness_route),
        readinessRoute=_route(config.readiness_route),
        scoringRoute=_route(config.scoring_route),
        startupRoute=_route(config.startup_route),
    )


def _route(route: Route | None) -> dict[str, Any] | None:
    return None if route is None else {"port": route.port, "path": route.path}


def _conda(conda: str | dict[str, Any] | None, folder: Path) -> str | None:
    """The service wants the specification as text, with sorted keys as az ml writes it."""
    if conda is None:
        return None
    import yaml

    content = yaml.safe_load((folder / conda).read_text()) if isinstance(conda, str) else conda
    return yaml.dump(content, sort_keys=True)


def _present(**items: Any) -> dict[str, Any]:
    return {key: value for key, value in items.items() if value is not None}
