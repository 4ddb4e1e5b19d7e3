"""Collections, as huggingface_hub makes, fills and reads them."""

from typing import Any

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from aloe_hub.local_hub.process import running
from tests.local_hub.hub_tools import OWNER, READER, STRANGER, USERS, ask, make_repo


def api(hub, token: str | bool = OWNER) -> HfApi:
    return HfApi(hub.endpoint, token)


def test_a_collection_is_made_filled_and_read(near):
    make_repo(near, "org/data", "dataset")
    make_repo(near, "org/model")
    made = api(near).create_collection("What we made, all of it", namespace="org", description="Everything")
    assert made.slug.startswith("org/what-we-made-all-of-it-")
    assert (made.title, made.description, made.private, made.items) == ("What we made, all of it", "Everything", False, [])
    api(near).add_collection_item(made.slug, "org/data", "dataset", note="rows")
    api(near).add_collection_item(made.slug, "org/model", "model")
    read = api(near, False).get_collection(made.slug)
    assert [(item.item_id, item.item_type, item.position, item.note) for item in read.items] == [
        ("org/data", "dataset", 0, "rows"),
        ("org/model", "model", 1, None),
    ]
    assert read.url == f"{near.endpoint}/collections/{made.slug}"
    assert read.last_updated > made.last_updated


def test_made_or_filled_twice_it_is_the_same(near):
    make_repo(near, "org/model")
    first = api(near).create_collection("Same", namespace="org")
    with pytest.raises(HfHubHTTPError, match="409"):
        api(near).create_collection("Same", namespace="org")
    assert api(near).create_collection("Same", namespace="org", exists_ok=True).slug == first.slug
    api(near).add_collection_item(first.slug, "org/model", "model")
    with pytest.raises(HfHubHTTPError, match="409"):
        api(near).add_collection_item(first.slug, "org/model", "model")
    assert len(api(near).add_collection_item(first.slug, "org/model", "model", exists_ok=True).items) == 1


def test_it_is_there_after_the_hub_was_started_again(tmp_path):
    with running(tmp_path / "hub", users=USERS) as hub:
        slug = api(hub).create_collection("Kept", namespace="org").slug
    with running(tmp_path / "hub", users=USERS) as hub:
        assert api(hub).get_collection(slug).title == "Kept"


def test_who_may_not_write_or_read_is_refused(near):
    make_repo(near, "org/secret", private=True)
    slug = api(near).create_collection("Open", namespace="org").slug
    api(near).add_collection_item(slug, "org/secret", "model")
    assert api(near, STRANGER).get_collection(slug).items == []  # a private repo is not named to others
    assert len(api(near, READER).get_collection(slug).items) == 1
    with pytest.raises(HfHubHTTPError, match="403"):
        api(near, READER).add_collection_item(slug, "org/secret", "model")
    with pytest.raises(HfHubHTTPError, match="403"):
        api(near, STRANGER).create_collection("Mine", namespace="org")
    hidden = api(near).create_collection("Hidden", namespace="org", private=True).slug
    assert api(near, READER).get_collection(hidden).private
    for token, error in ((STRANGER, HfHubHTTPError), (False, RepositoryNotFoundError)):
        with pytest.raises(error):
            api(near, token).get_collection(hidden)


def test_what_is_not_there_or_not_held_is_refused(near):
    slug = api(near).create_collection("Some", namespace="org").slug
    with pytest.raises(RepositoryNotFoundError):
        api(near).add_collection_item(slug, "org/missing", "model")
    with pytest.raises(HfHubHTTPError, match="404"):
        api(near).get_collection("org/none-0123456789")
    bodies: tuple[dict[str, Any], ...]
    bodies = ({}, {"item": {"type": "paper", "id": "2410.03642"}}, {"item": {"type": "model", "id": "x"}}, {"item": []})
    for body in bodies:
        assert ask(near, "POST", f"/api/collections/{slug}/items", body).status == 400
    bodies = ({}, {"title": " "}, {"title": "x", "description": "y" * 151}, {"title": "x", "namespace": "../x"})
    for body in bodies:
        assert ask(near, "POST", "/api/collections", body).status == 400
    assert ask(near, "GET", "/api/collections/..%2F..%2Fx/y").status in (400, 404)
    assert ask(near, "POST", "/api/collections", {"title": "x"}, token=None).status == 401
