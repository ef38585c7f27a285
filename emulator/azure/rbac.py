"""Who may do what: role assignments are resources, evaluated by scope, late to take effect.

An assignment counts only once the propagation delay has passed since its PUT. The deployer is Owner of the
subscription and the reader Reader, from the beginning. Conditions, deny assignments and groups are left out.
"""

from __future__ import annotations

import re
from functools import lru_cache

from emulator.azure import roles
from emulator.azure.clock import now
from emulator.azure.errors import ArmError
from emulator.azure.principals import Principal, Principals
from emulator.azure.store import Store
from emulator.settings import Settings

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"


class Rbac:
    def __init__(self, settings: Settings, store: Store, principals: Principals) -> None:
        self._settings = settings
        self._store = store
        subscription = f"/subscriptions/{settings.subscription}"
        self._standing = [
            (principals.deployer.id, subscription, roles.OWNER),
            (principals.reader.id, subscription, roles.READER),
        ]

    def allowed(self, principal_id: str, action: str, scope: str, *, data: bool = False) -> bool:
        """Say whether a role that is in effect at `scope` or above it holds the action (or data action)."""
        for role in self._roles(principal_id, scope):
            granted = role.data_actions if data else role.actions
            denied = () if data else role.not_actions
            if _matches(granted, action) and not _matches(denied, action):
                return True
        return False

    def check(self, principal: Principal, action: str, scope: str) -> None:
        """Raise ARM's 403 when the principal may not perform the action."""
        if not self.allowed(principal.id, action, scope):
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client '{principal.client_id}' with object id '{principal.id}' does not "
                "have authorization to "
                f"perform action '{action}' over scope '{scope}' or the scope is invalid. If "
                "access was recently "
                "granted, please refresh your credentials.",
            )

    def grant(self, principal_id: str, role: roles.Role, scope: str, *, by: str) -> None:
        """Grant what a service grants by itself, e.g. to an endpoint's own identity; in effect at once.

        Kept apart from the program's role assignments so that `destroy` leaves none of it behind: `by` is
        the resource with which it goes.
        """
        key = f"{principal_id}|{role.id}|{scope.lower()}"
        self._store.put("grant", key, {"principal": principal_id, "role": role.id, "scope": scope, "by": by})

    def withdraw(self, by: str) -> None:
        """Take back what was granted on behalf of a resource."""
        for key, row in list(self._store.table("grant").items()):
            if row["by"].lower() == by.lower():
                self._store.drop("grant", key)

    def _roles(self, principal_id: str, scope: str) -> list[roles.Role]:
        found = [role for who, where, role in self._standing if who == principal_id and _within(scope, where)]
        grants = [row for row in self._store.table("grant").values() if row["principal"] == principal_id]
        found += [roles.BY_ID[row["role"]] for row in grants if _within(scope, row["scope"])]
        effective = now() - self._settings.delays.role_propagation
        for item in self._store.all(ASSIGNMENT):
            properties = item.properties
            if properties["principalId"] != principal_id or item.private.get("since", 0) > effective:
                continue
            role = roles.BY_ID.get(properties["roleDefinitionId"].rsplit("/", 1)[-1].lower())
            if role and _within(scope, properties["scope"]):
                found.append(role)
        return found


def _within(scope: str, granted: str) -> bool:
    scope, granted = scope.lower().rstrip("/"), granted.lower().rstrip("/")
    return scope == granted or scope.startswith(granted + "/")


def _matches(patterns: tuple[str, ...], action: str) -> bool:
    return any(_pattern(pattern).fullmatch(action) for pattern in patterns)


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*"), re.IGNORECASE)
