"""Questions to Azure that a Reader may ask before anything is rented: cores left by family, SKUs the region
has, endpoint names, and what this stack's own deployments hold already.

`make plan` signs in and waits for the answers. A preview asks with azure-native's own token in threads, while
the program declares its resources, and waits for a few seconds at most; an `up` does not ask, its preview
has. Reads only. Whatever cannot be asked (no credential, no answer in time) is "not checked", with the
reason; this module never raises for it.

Sources: Usages_List, VirtualMachineSizes_List and OnlineDeployments_List of Microsoft.MachineLearningServices
(learn.microsoft.com/rest/api/azureml), Resources_List (learn.microsoft.com/rest/api/resources). No API says
whether another subscription has an endpoint's name. Unverified on Azure: that Resources_List has every
endpoint at once after its creation, and which `type` the rows of usages have in each region.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from settings import StackSettings
from stack.reader import Reader

SECONDS = 20.0
PREVIEW_SECONDS = 5.0
ML = "Microsoft.MachineLearningServices"
ML_API = "2025-12-01"
RESOURCES_API = "2021-04-01"
ENDPOINTS = f"{ML}/workspaces/onlineEndpoints"


@dataclass
class Asked:
    """What Azure answered. None: nobody could ask; `checks` are sentences as `serving.report` takes them."""

    available: dict[str, int] | None = None
    used: dict[str, int] = field(default_factory=dict)
    offered: list[str] | None = None
    checks: list[dict[str, Any]] = field(default_factory=list)


# An ARM id (or a page's address) and an api-version; what is not there is an empty answer.
Get = Callable[[str, str], Mapping[str, Any]]


@dataclass
class _Question:
    """`read` fills the answer; `problem` says why it could not."""

    what: str
    read: Callable[[Asked], None]
    problem: str = ""
    done: bool = False


class Asking:
    """Questions under way. Daemons: a machine that does not answer must not hold the page."""

    def __init__(self, questions: list[_Question], seconds: float, *, at_once: bool) -> None:
        self._questions, self._seconds = questions, seconds
        self._found, self._until = Asked(), time.monotonic() + seconds
        # One after another where the first may have to sign in for all.
        parts = [[one] for one in questions] if at_once else [questions]
        self._threads = [
            threading.Thread(target=_read_all, args=(part, self._found), daemon=True) for part in parts
        ]
        for thread in self._threads:
            thread.start()

    def answer(self) -> Asked:
        """What has been answered by now or will be in time."""
        for thread in self._threads:
            thread.join(max(0.0, self._until - time.monotonic()))
        found, problems = self._found, dict[str, list[str]]()
        for one in self._questions:
            if not one.done:
                text = one.problem or f"Azure has not answered within {self._seconds:.0f} s"
                problems.setdefault(text, []).append(one.what)
        open_ones = [
            {"what": ", ".join(names), "answer": None, "detail": text} for text, names in problems.items()
        ]
        checks = sorted(found.checks, key=lambda check: str(check["what"]))
        return Asked(found.available, dict(found.used), found.offered, [*checks, *open_ones])


@dataclass
class Unasked:
    """Nobody could ask, and why."""

    why: str

    def answer(self) -> Asked:
        return Asked(checks=[{"what": "quota, names and SKUs", "answer": None, "detail": self.why}])


def ask(settings: StackSettings, raw: Mapping[str, Any], *, seconds: float = SECONDS) -> Asked:
    """Everything, now; `raw` is the stack file's configuration, for its `azure-native:` settings."""
    subscription, why = _subscription(raw)
    if not settings.location or not subscription:
        return Unasked(why or "azure-native:location is not set").answer()
    return Asking(_questions(settings, subscription, _signed_in), seconds, at_once=False).answer()


def begin(
    settings: StackSettings, subscription: str, token: str, *, seconds: float = PREVIEW_SECONDS
) -> Asking | Unasked:
    """The same in threads, as whoever `token` is for."""
    if not token:
        return Unasked("azure-native has no token: sign in (az login) or set the ARM_* variables")
    return Asking(_questions(settings, subscription, Reader(token, seconds)), seconds, at_once=True)


def _signed_in(target: str, api_version: str) -> Mapping[str, Any]:
    from providers import arm

    return arm.request("GET", target, api_version, missing_ok=True)


def _questions(settings: StackSettings, subscription: str, get: Get) -> list[_Question]:
    scope = f"/subscriptions/{subscription}"
    region = f"{scope}/providers/{ML}/locations/{_plain(settings.location or '')}"
    return [
        _Question("SKUs of the region", lambda found: _sizes(settings, region, found, get)),
        _Question("quota", lambda found: _usages(region, found, get)),
        _Question("endpoint names", lambda found: _names(settings, scope, found, get)),
        _Question("cores this stack holds", lambda found: _used(settings, scope, found, get)),
    ]


def _read_all(questions: list[_Question], found: Asked) -> None:
    from providers.errors import CredentialError, ProviderError

    for index, one in enumerate(questions):
        try:
            one.read(found)
            one.done = True
        except CredentialError as problem:  # the others would fail in the same way
            for rest in questions[index:]:
                rest.problem = _sentence(problem)
            return
        except ProviderError as problem:
            one.problem = _sentence(problem)
        except Exception as problem:  # noqa: BLE001 - an answer of another shape is no answer
            one.problem = f"the answer could not be read ({type(problem).__name__}: {problem})"


def _sizes(settings: StackSettings, region: str, found: Asked, get: Get) -> None:
    names = {str(row["name"]).lower() for row in _rows(get, f"{region}/vmSizes", ML_API)}
    found.offered = sorted(names)
    for wanted in sorted({one.instance_type for _, _, one in settings.deployments()}):
        there = wanted.lower() in names
        detail = "" if there else "choose another region (azure-native:location) or instance_type"
        found.checks.append({"what": f"{wanted} in {settings.location}", "answer": there, "detail": detail})


def _usages(region: str, found: Asked, get: Get) -> None:
    found.available = cores_left(_rows(get, f"{region}/usages", ML_API))


def cores_left(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Dedicated cores left by family. A negative limit means that the family has none of its own."""
    left = {}
    for row in rows:
        of_one_workspace = bool(row.get("amlWorkspaceLocation")) or "/workspaces/" in str(row.get("id"))
        if of_one_workspace or "lowpriority" in str(row.get("type", "")).lower() or row["limit"] < 0:
            continue
        left[str(row["name"]["value"])] = max(0, int(row["limit"]) - int(row.get("currentValue") or 0))
    return left


def _names(settings: StackSettings, scope: str, found: Asked, get: Get) -> None:
    wanted = quote(f"resourceType eq '{ENDPOINTS}'")
    rows = _rows(get, f"{scope}/resources?$filter={wanted}", RESOURCES_API)
    taken = names_taken(rows, settings.location or "")
    own = _workspace(settings, scope).lower() + "/"
    for name in settings.endpoints:
        holder = taken.get(name.lower())
        free = holder is None or holder.lower().startswith(own)
        detail = "no other endpoint of this subscription has it; other subscriptions cannot be asked"
        if holder is not None:
            detail = "it is this stack's own" if free else f"{holder} has it; names are unique in a region"
        found.checks.append({"what": f"endpoint name {name} is free", "answer": free, "detail": detail})


def names_taken(rows: Iterable[Mapping[str, Any]], region: str) -> dict[str, str]:
    """Names of endpoints in a region, in lower case, and the id of who has each."""
    return {
        str(row["name"]).rsplit("/", 1)[-1].lower(): str(row["id"])
        for row in rows
        if str(row.get("type", "")).lower() == ENDPOINTS.lower()
        and _plain(str(row.get("location") or "")) == _plain(region)
    }


def _used(settings: StackSettings, scope: str, found: Asked, get: Get) -> None:
    from serving.errors import UnknownHardwareError
    from serving.quota import reserved
    from serving.skus import find_size

    workspace = _workspace(settings, scope)
    for endpoint in settings.endpoints:
        for row in _rows(get, f"{workspace}/onlineEndpoints/{endpoint}/deployments", ML_API):
            try:
                size = find_size(row["properties"]["instanceType"])
            except UnknownHardwareError:
                continue
            instances = int((row.get("sku") or {}).get("capacity") or 1)
            cores = size.cores * reserved(instances, size.reserve)
            found.used[size.family] = found.used.get(size.family, 0) + cores


def _rows(get: Get, target: str, api_version: str) -> Iterator[Mapping[str, Any]]:
    """Every page of a list; one that is not there is empty."""
    answer = get(target, api_version)
    while True:
        yield from answer.get("value") or ()
        if not answer.get("nextLink"):
            return
        answer = get(answer["nextLink"], "")


def _subscription(raw: Mapping[str, Any]) -> tuple[str, str]:
    """Whose quota: the stack's or the environment's setting, else the Azure CLI's; or why there is none."""
    from providers import credentials

    own = {
        name.removeprefix("azure-native:"): value for name, value in raw.items() if "azure-native:" in name
    }
    credentials.use_configuration({name: value for name, value in own.items() if isinstance(value, str)})
    found = credentials.subscription_id() or _of_the_cli()
    why = "no credential: sign in (az login) or set the ARM_* variables that azure-native reads"
    return found, "" if found else why


def _of_the_cli() -> str:
    az = shutil.which("az")
    if az is None:
        return ""
    try:
        asked = subprocess.run(
            [az, "account", "show", "--query", "id", "--output", "tsv"],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS / 2,
            env={**os.environ, "AZURE_CORE_COLLECT_TELEMETRY": "no"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _workspace(settings: StackSettings, scope: str) -> str:
    group = settings.resource_group.name
    return f"{scope}/resourceGroups/{group}/providers/{ML}/workspaces/{settings.workspace.name}"


def _plain(region: str) -> str:
    """`West Europe` and `westeurope` are the same region."""
    return "".join(region.split()).lower()


def _sentence(problem: Exception) -> str:
    return " ".join(str(problem).split())
