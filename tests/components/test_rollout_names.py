"""Names of servers, in the limits of Azure, and what an adoption keeps."""

import pytest

from components.rollout import server


def test_the_hash_is_in_both_names():
    made = server("current", {"image": "a"}, prefix="chat-")
    assert made.physical == f"current-{made.hash}"
    assert made.logical == f"chat-{made.physical}"
    assert not made.adopted
    assert not made.fixed


def test_a_long_name_is_cut_and_never_ends_in_two_dashes():
    made = server("a-name-with-a-dash-at-23-x-and-more", {})
    assert len(made.physical) <= 32
    assert "--" not in made.physical


def test_recreate_keeps_the_name():
    made = server("current", {"image": "a"}, rollout="recreate")
    assert (made.physical, made.fixed) == ("current", True)


@pytest.mark.parametrize("rollout", ["blue_green", "recreate"])
def test_an_adopted_server_keeps_its_name_until_it_is_another(rollout):
    digest = server("current", {"image": "a"}).hash
    kept = server("current", {"image": "a"}, rollout=rollout, import_=digest)
    assert (kept.physical, kept.adopted, kept.fixed) == ("current", True, False)
    changed = server("current", {"image": "b"}, rollout=rollout, import_=digest)
    assert not changed.adopted
    assert (changed.physical == "current") is (rollout == "recreate")
