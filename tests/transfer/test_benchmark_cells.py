"""What the benchmark measures, and that it goes on where it was stopped. Nothing is measured here."""

from __future__ import annotations

from benchmarks.transfer.cells import GIB, cells, missing, seconds


def runs_of(cell, kinds=("first", "no-change"), wall: float = 10.0) -> list[dict]:
    facts = {"size": cell.size, "tls": cell.tls, "destination": cell.destination, "path": cell.path}
    return [{**facts, "kind": kind, "wall": wall} for kind in kinds]


def test_one_command_is_the_whole_set_and_both_paths_are_neighbours() -> None:
    wanted = list(cells())
    assert {(cell.size // GIB, cell.tls, cell.destination) for cell in wanted} == {
        (2, False, "azurite"),
        (2, False, "sink"),
        (2, True, "azurite"),
        (2, True, "sink"),
        (16, False, "azurite"),
        (16, False, "sink"),
    }
    assert len(wanted) == 2 * (2 * 2 * 3 + 2)
    for one, other in zip(wanted[::2], wanted[1::2], strict=True):
        assert {one.path, other.path} == {"engine", "two-step"}
        assert (one.size, one.tls, one.destination) == (other.size, other.tls, other.destination)
    assert {cell.path for cell in wanted[::2]} == {"engine", "two-step"}  # who begins changes


def test_what_is_there_is_not_measured_again() -> None:
    wanted = list(cells())
    runs: list[dict] = []
    for count, cell in enumerate(wanted):
        assert missing(wanted, runs)[0] == cell
        assert len(missing(wanted, runs)) == len(wanted) - count
        runs += runs_of(cell, ("first", "no-change", *(("after-kill",) if cell.kill else ())))
    assert missing(wanted, runs) == []


def test_a_cell_that_was_cut_off_is_measured_again() -> None:
    wanted = list(cells())
    killed = next(cell for cell in wanted if cell.kill)
    assert killed in missing(wanted, runs_of(killed))
    assert wanted[0] in missing(wanted, runs_of(wanted[0], ("first",)))


def test_how_long_it_will_take_is_what_it_took() -> None:
    plain, killed = next(c for c in cells() if not c.kill), next(c for c in cells() if c.kill)
    assert seconds(plain, runs_of(plain, wall=30.0) + runs_of(plain, wall=50.0)) == 80.0
    assert seconds(plain, []) is None
    assert seconds(killed, runs_of(killed, ("first", "no-change", "after-kill"))) == 35.0
