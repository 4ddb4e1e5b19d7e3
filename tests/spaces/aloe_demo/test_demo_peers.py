"""What other sites and strangers may ask of the demo: on this machine nothing; nobody uploads anything, anywhere."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from tests.spaces.aloe_demo.fake_models import fake_models

ASKED = json.dumps({"data": ["hi", 1], "fn_index": 0, "session_hash": "q"})
FILE = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.bin"\r\n\r\nxyz\r\n--b--\r\n'


def status(here, method, path, body=None, **headers):
    connection = http.client.HTTPConnection(urlsplit(here.url).netloc, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture(scope="module")
def local(launched, tmp_path_factory):
    return launched(tmp_path_factory.mktemp("votes"), fake_models())


def test_a_page_of_another_site_is_refused_whatever_it_asks(local):
    assert status(local, "GET", "/config", Host="evil.example") == 400
    foreign = {"Origin": "http://evil.example", "Sec_Fetch_Site": "cross-site"}
    for kind in ("text/plain", "application/json"):
        assert status(local, "POST", "/gradio_api/queue/join", ASKED, Content_Type=kind, **foreign) == 403
    assert status(local, "GET", "/config", Origin="null") == 403
    assert status(local, "GET", "/config", Origin=local.url.rstrip("/"), Sec_Fetch_Site="same-origin") == 200


def test_nobody_uploads_anything(local):
    kind = "multipart/form-data; boundary=b"
    assert status(local, "POST", "/gradio_api/upload", FILE, Content_Type=kind) == 403


def test_on_the_hub_it_answers_to_its_name_there(launched, monkeypatch, tmp_path):
    monkeypatch.setenv("SPACE_ID", "org/aloe-demo")
    here = launched(tmp_path, fake_models())
    assert status(here, "GET", "/config", Host="org-aloe-demo.hf.space", Sec_Fetch_Site="cross-site") == 200
    assert status(here, "POST", "/gradio_api/upload", FILE, Content_Type="multipart/form-data; boundary=b") == 403
