"""What is asked of the Hub itself: is it there, who am I, may this card be."""

from __future__ import annotations

from aloe_hub.local_hub.card import problems
from aloe_hub.local_hub.message import Request, Response, json_response, member
from aloe_hub.local_hub.users import EVERYWHERE


def health(request: Request) -> Response:
    return json_response({"status": "ok"})


def whoami(request: Request) -> Response:
    user = request.logged_in()
    orgs = set(user.orgs) - {EVERYWHERE}
    if EVERYWHERE in user.orgs:
        orgs |= request.hub.store.namespaces()
    return json_response(
        {
            "type": "user",
            "id": user.name,
            "name": user.name,
            "fullname": user.name,
            "isPro": False,
            "orgs": [
                {"type": "org", "id": org, "name": org, "fullname": org, "roleInOrg": user.role}
                for org in sorted(orgs - {user.name})
            ],
            "auth": {"type": "access_token", "accessToken": {"displayName": "local", "role": user.role}},
        }
    )


def validate_yaml(request: Request) -> Response:
    """Clients ask before every commit of a README: with errors they do not even upload."""
    errors, warnings = problems(member(request.json(), "content", str))
    answer = {"errors": [{"message": text} for text in errors], "warnings": [{"message": text} for text in warnings]}
    return json_response(answer, 400 if errors else 200)
