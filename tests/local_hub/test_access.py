"""Who may do what: private repos, read tokens, other people's namespaces, tokens that are not this Hub's."""

import hashlib
import json
import stat

import pytest

from aloe_hub.errors import DataError
from aloe_hub.local_hub.process import running
from aloe_hub.local_hub.users import User, load_users
from tests.local_hub.hub_tools import OWNER, READER, STRANGER, ask, commit_lines, make_repo

API = "/api/models/org/secret"
READS = [
    ("GET", API),
    ("GET", API + "/revision/main"),
    ("GET", API + "/tree/main"),
    ("POST", API + "/paths-info/main"),
    ("GET", API + "/refs"),
    ("GET", API + "/commits/main"),
    ("GET", API + "/auth-check"),
    ("GET", "/org/secret/resolve/main/.gitattributes"),
    ("HEAD", "/org/secret/resolve/main/.gitattributes"),
]
WRITES = [
    ("POST", API + "/commit/main"),
    ("POST", API + "/preupload/main"),
    ("POST", API + "/branch/b"),
    ("DELETE", API + "/branch/b"),
    ("POST", API + "/tag/main"),
    ("DELETE", API + "/tag/t"),
    ("PUT", API + "/settings"),
    ("GET", API + "/auth-check/write"),
    ("POST", "/org/secret.git/info/lfs/objects/batch"),
]


@pytest.mark.parametrize(("method", "address"), READS + WRITES)
def test_a_private_repo_is_401_to_the_anonymous_and_404_to_strangers_as_if_it_were_not_there(near, method, address):
    make_repo(near, "org/secret", visibility="private")
    elsewhere = address.replace("org/secret", "org/missing")
    for token, status in ((None, 401), (STRANGER, 404)):
        here, nowhere = (ask(near, method, each, token=token) for each in (address, elsewhere))
        assert (here.status, here.code) == (nowhere.status, nowhere.code) == (status, "RepoNotFound")
        assert here.body == nowhere.body


@pytest.mark.parametrize(("method", "address"), READS)
def test_a_private_repo_is_read_by_its_orgs_members(near, method, address):
    make_repo(near, "org/secret", visibility="private")
    for token in (OWNER, READER):
        assert ask(near, method, address, token=token).status == 200


@pytest.mark.parametrize(("method", "address"), WRITES)
def test_a_read_token_and_a_stranger_are_403_where_they_may_only_look(near, method, address):
    make_repo(near, "org/secret")
    assert [ask(near, method, address, token=token).status for token in (READER, STRANGER, None)] == [403, 403, 401]


def test_only_who_may_write_in_a_namespace_makes_deletes_and_moves_its_repos(near):
    row = {"name": "x", "organization": "org"}
    assert [ask(near, "POST", "/api/repos/create", row, token=token).status for token in (None, READER, STRANGER)] == [
        401,
        403,
        403,
    ]
    assert ask(near, "POST", "/api/repos/create", {"name": "own"}, token=STRANGER).json["id"] == "stranger/own"
    make_repo(near, "org/x")
    assert [ask(near, "DELETE", "/api/repos/delete", row, token=token).status for token in (None, READER, STRANGER)] == [
        401,
        403,
        403,
    ]
    theft = {"fromRepo": "org/x", "toRepo": "stranger/x", "type": "model"}
    gift = {"fromRepo": "stranger/own", "toRepo": "org/own", "type": "model"}
    assert [ask(near, "POST", "/api/repos/move", row, token=STRANGER).status for row in (theft, gift)] == [403, 403]
    assert ask(near, "POST", "/api/repos/move", gift).status == 200


@pytest.mark.parametrize("header", ["Bearer hf_realtokenofauser", "Bearer", "Bearer ", "Basic bG9jYWw6", "hf_localowner", ""])
def test_a_token_of_somewhere_else_is_401_even_for_what_is_public(near, header):
    make_repo(near, "org/open")
    for address in ("/api/models/org/open", "/api/whoami-v2", "/api/models", "/org/open/resolve/main/.gitattributes"):
        answer = ask(near, "GET", address, token=None, headers={"Authorization": header})
        assert (answer.status, answer.headers["X-Error-Message"]) == (401, "Invalid credentials in Authorization header")


def test_a_list_shows_only_what_the_caller_may_see(near):
    make_repo(near, "org/open")
    make_repo(near, "org/secret", private=True)
    shown = {
        token: [row["id"] for row in ask(near, "GET", "/api/models", token=token).json] for token in (None, STRANGER, READER)
    }
    assert shown == {None: ["org/open"], STRANGER: ["org/open"], READER: ["org/open", "org/secret"]}


def test_an_upload_address_serves_one_object_of_one_repo_and_needs_no_token(near):
    make_repo(near, "org/x")
    make_repo(near, "org/y")
    data = b"abc"
    sha256 = hashlib.sha256(data).hexdigest()
    batch = ask(near, "POST", "/org/x.git/info/lfs/objects/batch", {"objects": [{"oid": sha256, "size": 3}]}).json
    href = batch["objects"][0]["actions"]["upload"]["href"].removeprefix(near.endpoint)
    bare = href.split("&")[0]
    changed = [href.replace("org/x", "org/y"), href.replace(sha256, "a" * 64), href.replace("size=3", "size=4")]
    for other in (*changed, href[:-1], bare, bare + "&signature=", bare.split("?")[0]):
        for token in (OWNER, None):
            assert ask(near, "PUT", other, data, token=token).status == 403
    assert ask(near, "PUT", href, data, token=None).status == 200


def test_the_token_is_made_once_kept_privately_and_stands_nowhere_else(tmp_path, capfd):
    with running(tmp_path) as hub:
        token = hub.token
        make = {"name": "x", "organization": "org"}
        assert ask(hub, "POST", "/api/repos/create", make, token=token).status == 200
        ask(hub, "POST", "/api/models/org/x/commit/main", commit_lines(("file", {"path": "a", "content": "YQ=="})), token=token)
        assert ask(hub, "GET", "/api/whoami-v2", token=token).json["orgs"][0]["name"] == "org"
        ask(hub, "GET", "/nowhere", token=token)
    with running(tmp_path) as hub:
        assert hub.token == token
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert holding == [tmp_path / "users.json"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600
    assert token not in "".join(capfd.readouterr())


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"t": 1}', '{"t": {"name": "x", "role": "god"}}', '{"t": {"orgs": []}}'])
def test_a_broken_file_of_users_is_one_line(tmp_path, text):
    (tmp_path / "users.json").write_text(text)
    with pytest.raises(DataError, match=r"users.json: expected .* mend it or remove it"):
        load_users(tmp_path, tmp_path)
    with pytest.raises(DataError), running(tmp_path):
        pass
    with running(tmp_path, users={"t": User("x")}):  # and the folder was let go
        pass


def test_more_users_are_lines_of_that_file(tmp_path):
    users = {"hf_a": {"name": "a"}, "hf_b": {"name": "b", "orgs": ["org"], "role": "read"}}
    (tmp_path / "users.json").write_text(json.dumps(users))
    assert load_users(tmp_path, tmp_path) == {"hf_a": User("a"), "hf_b": User("b", ("org",), "read")}
