"""Random graphs with edits against a small model, written independently, of what must happen.

The model knows nothing of steps or snapshots: it says which operation each resource gets and what the cloud
holds afterwards. Crashes are simulated at every kind of moment; recovery is what a user would do.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inprocess import Crash, Node, World, identity

from emulator.engine import recovery
from emulator.engine.state import Snapshot

QUICK = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


@st.composite
def programs(draw: st.DrawFn, names: str = "abcdefgh") -> list[Node]:
    """Nodes in an order in which each comes after what it needs. Names are stable, so two
    programs overlap.
    """
    chosen = draw(st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=len(names)))
    nodes: list[Node] = []
    for name in sorted(chosen):
        things = [node.name for node in nodes if not node.component]
        groups = [node.name for node in nodes if node.component]
        node = Node(name, component=draw(st.integers(0, 5)) == 0)
        if groups and draw(st.booleans()):
            node.parent = draw(st.sampled_from(groups))
        if things or groups:
            node.needs = tuple(draw(st.lists(st.sampled_from(things + groups), unique=True, max_size=2)))
        if not node.component:
            node.kind, node.label = draw(st.sampled_from("kl")), draw(st.sampled_from("xyz"))
            node.before = draw(st.sampled_from([None, None, True, False]))
            if things:
                node.ref = draw(st.sampled_from(["", "", *things]))
                node.kind_ref = draw(st.sampled_from(["", "", "", *things]))
        nodes.append(node)
    return nodes


class Model:
    """What is deployed: for each thing its node, its inputs and its address."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.inputs: dict[str, dict[str, str]] = {}

    def apply(self, nodes: list[Node]) -> dict[str, str]:
        """The operation of every thing, and the new truth."""
        inputs = resolve(nodes)
        expected: dict[str, str] = {}
        went: set[str] = set()  # deleted before a replacement: dependents on their address must follow
        by_name = {node.name: node for node in nodes}
        for node in (n for n in nodes if not n.component):
            name = node.name
            moved = name in self.nodes and path(by_name, name) != path(self.nodes, name)
            if name not in self.inputs or moved:
                expected[name] = "create"
                continue
            old_kind_ref = self.nodes[name].kind_ref
            if old_kind_ref in went and not self._gone_parent(old_kind_ref, by_name):
                expected[name] = "replace"
                went.add(name)
            elif inputs[name]["kind"] != self.inputs[name]["kind"]:
                expected[name] = "replace"
                if node.before:
                    went.add(name)
            else:
                expected[name] = "same" if inputs[name] == self.inputs[name] else "update"
        for name in self.inputs:
            if name not in inputs:
                expected[name] = "delete"
        self.nodes, self.inputs = by_name, inputs
        return expected

    def _gone_parent(self, name: str, nodes: dict[str, Node]) -> bool:
        return name not in nodes


def path(nodes: dict[str, Node], name: str) -> tuple[str, ...]:
    """How many components a resource is under: a URN has the types of its parents."""
    parent = nodes[name].parent
    return (*path(nodes, parent), "group") if parent else ()


def resolve(nodes: list[Node]) -> dict[str, dict[str, str]]:
    addresses: dict[str, str] = {}
    inputs: dict[str, dict[str, str]] = {}
    for node in nodes:
        if not node.component:
            kind = addresses[node.kind_ref] if node.kind_ref else node.kind
            label = addresses[node.ref] if node.ref else node.label
            inputs[node.name] = {"kind": kind, "label": label}
            addresses[node.name] = f"addr-{node.name}-{kind}"
    return inputs


def cloud_of(nodes: list[Node]) -> dict[str, dict[str, str]]:
    return {identifier_of(nodes, name): inputs for name, inputs in resolve(nodes).items()}


def identifier_of(nodes: list[Node], name: str) -> str:
    return identity(name, resolve(nodes)[name]["kind"], len(path({n.name: n for n in nodes}, name)))


def names_in(world: World) -> set[str]:
    return {identifier.split(":")[0] for identifier in world.cloud.things}


def settled(world: World, nodes: list[Node]) -> None:
    """The state and the cloud are what the program says, and a second look finds nothing to do."""
    assert world.cloud.things == cloud_of(nodes)
    assert {name: s.id for name, s in world.things().items()} == {
        name: identifier_of(nodes, name) for name in resolve(nodes)
    }
    snapshot = world.snapshot()
    assert not snapshot.operations
    assert not [s for s in snapshot.resources if s.delete or s.pending_replacement]
    assert_ordered(snapshot)
    again = world.preview(nodes)
    assert set(again.operations) <= {"same"}, again.operations
    assert not again.failed


def assert_ordered(snapshot: Snapshot) -> None:
    """Every resource comes after what it needs."""
    seen: set[str] = set()
    for state in snapshot.resources:
        missing = state.dependency_urns() - seen
        assert not missing, f"{state.urn} comes before {missing}"
        seen.add(state.urn)


def assert_log_ordered(world: World, nodes: list[Node], start: int) -> None:
    """What was created after something it needs was created in the same run."""
    born = {
        entry[1].split(":")[0]: at for at, entry in enumerate(world.cloud.log[start:]) if entry[0] == "create"
    }
    for node in nodes:
        for needed in node.all_needs:
            if node.name in born and needed in born:
                assert born[needed] < born[node.name], f"{node.name} was created before {needed}"


@QUICK
@given(st.lists(programs(), min_size=1, max_size=4))
def test_every_edit_ends_where_the_program_says(edits: list[list[Node]]) -> None:
    world, model = World(), Model()
    for nodes in edits:
        expected = model.apply(nodes)
        planned = world.preview(nodes)
        assert not planned.failed, planned.diagnostics
        start = len(world.cloud.log)
        done = world.up(nodes)
        assert not done.failed, done.diagnostics
        counted = Counter(
            {op: n for op, n in done.operations.items() if op in ("create", "update", "replace", "delete")}
        )
        groups_gone = done.operations["delete"] - sum(op == "delete" for op in expected.values())
        wanted = Counter(op for op in expected.values() if op != "same")
        groups_new = done.operations["create"] - wanted["create"]
        assert counted["update"] == wanted["update"]
        assert counted["replace"] == wanted["replace"]
        assert groups_gone >= 0
        assert groups_new >= 0
        settled(world, nodes)
        assert_log_ordered(world, nodes, start)
    gone = world.destroy()
    assert not gone.failed
    assert world.cloud.things == {}
    assert world.snapshot().resources == []


@QUICK
@given(programs(), programs(), st.integers(0, 30))
def test_a_crash_at_any_moment_can_be_recovered(first: list[Node], second: list[Node], moment: int) -> None:
    world = World()
    world.up(first)
    world.crash_at = moment
    with contextlib.suppress(Crash):
        world.up(second)
    world.crash_at = None
    recover(world)
    refreshed = world.refresh()
    assert not refreshed.failed, refreshed.diagnostics
    again = world.up(second)
    assert not again.failed, again.diagnostics
    settled(world, second)


def recover(world: World) -> None:
    """What `refresh --import-pending-creates` does with the IDs that the cloud has, clearing the others."""
    snapshot = world.snapshot()
    pairs: list[str] = []
    for operation in snapshot.operations:
        made = operation.resource
        identifier = identity(made.name, str(made.inputs.get("kind")), made.urn.count("$"))
        if operation.type == "creating" and identifier in world.cloud.things:
            pairs += [made.urn, identifier]
    recovery.edit(snapshot, pairs, find=False, clear=True)
    world._save(snapshot)


@QUICK
@given(programs(), st.data())
def test_a_failure_stops_what_needs_it_and_the_next_up_goes_on(
    nodes: list[Node], data: st.DataObject
) -> None:
    things = [node.name for node in nodes if not node.component]
    if not things:
        return
    victim = data.draw(st.sampled_from(things))
    broken = [replace(node, fails="create") if node.name == victim else node for node in nodes]
    world = World()
    failed = world.up(broken, parallel=data.draw(st.sampled_from([1, 16])))
    assert failed.failed
    assert victim not in names_in(world)
    assert not dependents(nodes, victim) & set(world.things())
    assert set(world.things()) == names_in(world)
    assert_ordered(world.snapshot())
    assert not world.up(nodes).failed
    settled(world, nodes)


def dependents(nodes: list[Node], name: str) -> set[str]:
    reached = {name}
    for node in nodes:
        if node.all_needs & reached:
            reached.add(node.name)
    return reached


@QUICK
@given(programs(), st.data())
def test_a_renamed_resource_keeps_its_identity(nodes: list[Node], data: st.DataObject) -> None:
    leaves = [
        n.name for n in nodes if not n.component and not any(n.name in other.all_needs for other in nodes)
    ]
    if not leaves:
        return
    old = data.draw(st.sampled_from(leaves))
    world = World()
    world.up(nodes)
    before = dict(world.cloud.things)
    renamed = [replace(n, name="renamed", old_name=old) if n.name == old else n for n in nodes]
    done = world.up(renamed)
    assert not done.failed
    assert set(done.operations) <= {"same"}
    assert world.cloud.things == before
    assert old not in world.things()
    assert "renamed" in world.things()


@QUICK
@given(programs(), st.data())
def test_protected_resources_survive_and_so_does_what_they_need(
    nodes: list[Node], data: st.DataObject
) -> None:
    things = [node.name for node in nodes if not node.component]
    if not things:
        return
    held = data.draw(st.sampled_from(things))
    world = World()
    world.up([replace(n, protect=n.name == held) for n in nodes])
    assert world.destroy().failed
    needed = everything_needed(nodes, held)
    left = {state.name for state in world.snapshot().resources}
    assert needed <= left
    assert {n for n in things if n in left} == names_in(world)
    assert_ordered(world.snapshot())
    world.up(nodes)
    assert not world.destroy().failed
    assert world.cloud.things == {}


def everything_needed(nodes: list[Node], name: str) -> set[str]:
    by_name = {node.name: node for node in nodes}
    out, todo = set(), [name]
    while todo:
        current = todo.pop()
        if current not in out:
            out.add(current)
            todo += by_name[current].all_needs
    return out


@QUICK
@given(programs(), st.data())
def test_a_refresh_forgets_what_is_gone_and_up_brings_it_back(nodes: list[Node], data: st.DataObject) -> None:
    world = World()
    world.up(nodes)
    lost = data.draw(
        st.lists(st.sampled_from(sorted(world.cloud.things)), unique=True)
        if world.cloud.things
        else st.just([])
    )
    for identifier in lost:
        del world.cloud.things[identifier]
    refreshed = world.refresh()
    assert not refreshed.failed
    assert refreshed.operations["delete"] == len(lost)
    assert_ordered(world.snapshot())
    assert not world.up(nodes).failed
    settled(world, nodes)


def test_independent_resources_run_at_once() -> None:
    world, one = World(), World()
    world.cloud.pause = one.cloud.pause = 0.02
    assert not world.up([Node(f"n{i}") for i in range(12)]).failed
    assert world.cloud.most_at_once > 3
    assert not one.up([Node(f"n{i}") for i in range(12)], parallel=1).failed
    assert one.cloud.most_at_once == 1
