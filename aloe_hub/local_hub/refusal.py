"""How the Hub says no: a status, a message, and the X-Error-Code from which clients choose their exception."""

from __future__ import annotations


class HubRefusal(Exception):
    """A request that is answered with a 4xx."""

    def __init__(self, status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers or {}
        self.extra: dict[str, object] = {}  # joins the JSON body


def bad_request(message: str) -> HubRefusal:
    return HubRefusal(400, message)


def shown(value: object, limit: int = 80) -> str:
    """A client's value for an error message: quoted and short."""
    text = repr(value[: limit + 1] if isinstance(value, str | bytes | list) else value)
    return text if len(text) <= limit else text[:limit] + "…"


def not_logged_in() -> HubRefusal:
    """What an anonymous caller hears of a repo that is private or missing: the Hub does not say which.

    Over plain http the client needs the code to make a RepositoryNotFoundError of it.
    """
    return HubRefusal(401, "Invalid username or password.", "RepoNotFound")


def repo_not_found() -> HubRefusal:
    return HubRefusal(404, "Repository not found", "RepoNotFound")


def revision_not_found(revision: str) -> HubRefusal:
    return HubRefusal(404, f"Invalid rev id: {shown(revision)}", "RevisionNotFound")


def entry_not_found(path: str, commit: str) -> HubRefusal:
    """Carries the commit: clients then remember that this commit has no such file."""
    return HubRefusal(404, f"Entry not found: {shown(path)}", "EntryNotFound", {"X-Repo-Commit": commit})


def too_large(what: str, limit: int, unit: str = "bytes") -> HubRefusal:
    return HubRefusal(413, f"{what} is over this Hub's limit of {limit} {unit}")
