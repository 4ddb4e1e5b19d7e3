"""What the Hub answers, as one line that says what to do: for who reads from it, and for who publishes to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aloe_hub.errors import AloeError, DataError, UsageError

LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


@contextmanager
def hub_errors(
    name: str, kind: str = "repo", *, option: str | None = None, todo: str = LOG_IN, offline: str | None = None
) -> Iterator[None]:
    """Translates what huggingface_hub raises. Never shows the request, which carries the token.

    name: what was asked for, perhaps with a revision: org/name@revision.
    kind: what it should be, as in "no such model".
    option: where the user named it, if not in the publish itself.
    todo: what helps when the Hub does not have it.
    offline: of who only reads: what helps without the Hub. A name that is wrong is then an error of usage, and one that the Hub
        does not have an error of data.
    """
    from httpx2 import HTTPError
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hub, repo = constants.ENDPOINT, name.partition("@")[0]
    missing, unusable = (AloeError, AloeError) if offline is None else (DataError, UsageError)
    shown = f"{option} {name}" if option and option.startswith("--") else name
    try:
        yield
    except HFValidationError:
        raise unusable(f"{option or '--repo'} {name!r}: not a name that the Hub takes, such as org/name") from None
    except LocalTokenNotFoundError:
        raise AloeError(f"{hub}: not logged in; {LOG_IN}") from None
    except GatedRepoError:
        raise AloeError(f"{shown}: is gated; accept its terms at {hub}/{repo}, and {LOG_IN}") from None
    except RepositoryNotFoundError:
        raise missing(f"{shown}: no such {kind} on {hub}, or no access to it; {todo}") from None
    except RevisionNotFoundError:
        raise missing(f"{shown}: {repo} has no revision {name.partition('@')[2]}; see {hub}/{repo}") from None
    except (HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError, TimeoutError) as error:
        # To who reads, the Hub's refusal is the cause of there being nothing in the cache either.
        refusal = error if offline is None or isinstance(error, HfHubHTTPError) else error.__cause__
        if isinstance(refusal, HfHubHTTPError):
            said = " ".join((refusal.server_message or "").split()) or f"status {refusal.response.status_code}"
            if offline is not None:
                raise AloeError(f"{shown}: {hub} refuses ({said}); try again later, or {LOG_IN}") from None
            advice = {
                401: f"not logged in, or the token is not valid; {LOG_IN}",
                403: f"no permission ({said}); use a token that may write to {name.partition('/')[0]}",
                412: "others kept committing to it at the same time; run the same command again",
            }.get(refusal.response.status_code, f"the Hub refused ({said})")
            raise AloeError(f"{shown}: {advice}") from None
        if offline is not None:
            raise AloeError(f"{shown}: not in the cache, and {hub} cannot be reached; {offline}") from None
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise AloeError(f"{hub}: cannot be reached ({why}); nothing half-way is there: run it again") from None
