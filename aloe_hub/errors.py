"""Everything that aloe-hub raises on purpose, as one small tree.

    AloeError                 one line for a person: the offending value, where it stood, what to do
    ├── UsageError            an option or a model string that is invalid (exit status 2)
    ├── DataError             a file or a row that cannot be used: names the file and the line
    ├── SettingsDiffer        a run folder that was made with other settings
    ├── ParseError            a model's answer that cannot be read; carries the answer
    ├── ChatError             a call to a model that failed for good
    │   ├── TransientError        … this time; asked again it may succeed
    │   └── Refused               … and so will every other: the server knows neither the key nor the model
    └── RunStopped            nothing more can be done now; what is journalled stays, the same command goes on

The command line prints any of them as one line and exits; a traceback is shown only with `--debug`.
"""


class AloeError(Exception):
    """Base of all errors that a user of aloe-hub is meant to read."""

    exit_status = 1


class UsageError(AloeError):
    """An option, a model string or a recipe that is invalid."""

    exit_status = 2


class DataError(AloeError):
    """A file or a row that cannot be used."""


class SettingsDiffer(AloeError):
    """A run folder made with other settings: mixing them would make a run that nobody can repeat."""


class ParseError(AloeError):
    """A model's answer that cannot be read. Never a guess: the caller asks again or gives up."""

    def __init__(self, wanted: str, text: str) -> None:
        shown = text if len(text) <= 200 else text[:200] + "…"
        super().__init__(f"model returned no {wanted}: {shown!r}")
        self.wanted = wanted
        self.text = text


class ChatError(AloeError):
    """A call to a model that failed for good."""


class TransientError(ChatError):
    """A call that failed for a reason that may pass: too many requests, a fault of the server or of the line.

    retry_after: the seconds that the server asked to be left alone, if it did.
    maybe_billed: whether the server may have answered, and charged for an answer that never came.
    """

    def __init__(self, text: str, *, retry_after: float | None = None, maybe_billed: bool = False) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.maybe_billed = maybe_billed


class Refused(ChatError):
    """The server does not accept the key, or does not know the model."""


class RunStopped(AloeError):
    """Nothing more can be done now: every call fails, or the budget is spent. The same command goes on later."""
