"""Which resources of a snapshot need which. Order matters: what comes first cannot depend on what follows."""

from __future__ import annotations

from collections import defaultdict

from .state import State


class DependencyGraph:
    """Over states, by identity. `alias` lets a refreshed state stand in for the one it replaced."""

    def __init__(self, resources: list[State]) -> None:
        self.resources = resources
        self._index = {id(resource): position for position, resource in enumerate(resources)}
        self._keep: list[State] = []  # aliases must stay alive, or their identity could be reused
        self._descendants = self._find_descendants()

    def _find_descendants(self) -> dict[str, list[int]]:
        descendants: dict[str, list[int]] = defaultdict(list)
        by_urn: dict[str, State] = {}
        for position, resource in enumerate(self.resources):
            by_urn[resource.urn] = resource
            parent = resource.parent
            while parent and parent in by_urn:
                descendants[parent].append(position)
                parent = by_urn[parent].parent
        return descendants

    def __contains__(self, resource: State) -> bool:
        return id(resource) in self._index

    def alias(self, new: State, existing: State) -> None:
        self._keep.append(new)
        self._index[id(new)] = self._index[id(existing)]

    def depending_on(self, resource: State, ignore: set[str], with_children: bool) -> list[State]:
        """Everything that needs `resource`, directly or not, in snapshot order."""
        reached = {resource.urn}
        found = []
        for candidate in self.resources[self._index[id(resource)] + 1 :]:
            if candidate.urn in ignore:
                continue
            needed = {urn for kind, urn in candidate.all_dependencies() if kind != "parent" or with_children}
            if candidate.provider:
                needed.add(candidate.provider.rpartition("::")[0])
            if needed & reached:
                found.append(candidate)
                reached.add(candidate.urn)
        return found

    def dependencies_of(self, resource: State) -> list[State]:
        """What `resource` needs directly. Needing a component means needing its children that came before."""
        needed = {urn for kind, urn in resource.all_dependencies() if kind != "parent"}
        if resource.provider:
            needed.add(resource.provider.rpartition("::")[0])
        position = self._index[id(resource)]
        found: dict[int, State] = {}
        for candidate in reversed(self.resources[:position]):
            if candidate.urn in needed:
                found[id(candidate)] = candidate
                if not candidate.custom:
                    for child in self._descendants[candidate.urn]:
                        if child < position:
                            found[id(self.resources[child])] = self.resources[child]
            if candidate.urn == resource.parent:
                found[id(candidate)] = candidate
        return list(found.values())

    def transitive_dependencies_of(self, resource: State) -> list[State]:
        found: dict[int, State] = {}
        todo = [self.resources[self._index[id(resource)]]]
        while todo:
            for dependency in self.dependencies_of(todo.pop()):
                if id(dependency) not in found:
                    found[id(dependency)] = dependency
                    todo.append(dependency)
        return list(found.values())
