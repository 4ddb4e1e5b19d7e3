r"""How a model is named: one string everywhere, read here and nowhere else.

    scripted  scripted:POLICY                     the offline world
    scripted:user?name=value&…                    the same, whose users speak as the options say
    scripted:biased?name=value&…                  the same, whose judge has the faults that the options name
    semantic                                      a judge by embeddings, which plays no other role
    local:MODEL[+ADAPTER]                         a model in this process; each part is a `Source`, MODEL perhaps a GGUF file
    hub:org/model[:PROVIDER]                      Hugging Face Inference Providers
    litellm:PROVIDER/MODEL                        any provider that LiteLLM knows, by its name there
    http://host:port/v1#MODEL                     any OpenAI-compatible server (https, too)
    POLICY(STRING,option=value,…)                 a policy around any of these, such as rag(local:MODEL,k=5): see `policy_form`

A folder's name may hold + and @: a path that exists is taken as it stands before anything is read as a separator. An address
never holds a user, a password or a query, since a model string is written into run.toml; no error repeats one that does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from aloe_hub.errors import UsageError
from aloe_hub.policy_form import OPTIONS, is_policy, read_policy
from aloe_hub.source import Source, repeatable

_REMOTE = ("hub", "litellm", "http", "https")
TAKES_OPTIONS = ("user", "biased")  # of the scripted models
_QUERY = re.compile(r"(?P<name>[a-z][a-z_-]*)=(?P<value>[\w.-]+)", re.ASCII)
_ALONE = ("scripted", "semantic")  # need nothing behind them
SCHEMES = (*_ALONE, "local", *_REMOTE)
_PORTS = {"http": 80, "https": 443}
_AT_LITELLM = re.compile(r"[\w.-]+/[!-~]+", re.ASCII)
_AT_A_PROVIDER = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(:(?P<provider>[\w-]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModelString:
    """What a model string says. Which of the fields are set depends on the scheme.

    >>> ModelString.parse("local:org/model@v1+org/adapter").adapter
    Source(name='org/adapter', revision=None)
    >>> str(ModelString.parse("hub:org/model:novita"))
    'hub:org/model:novita'
    """

    scheme: str  # one of `SCHEMES`, or the name of a policy; of a `recorded` string that has none of them, empty
    policy: str | None = None  # scripted
    options: tuple[tuple[str, str], ...] = ()  # scripted:user and scripted:biased, as their query names them
    base: Source | None = None  # local
    adapter: Source | None = None  # local
    name: str | None = None  # hub, litellm, http, https: what the model is called there
    provider: str | None = None  # hub
    address: str | None = None  # http, https: the base URL
    inner: ModelString | None = None  # a policy: the model that it is around
    k: int | None = None  # a policy: exchanges that are looked up, replies that are drawn
    inferrer: ModelString | None = None  # a policy: who infers, if not the model
    by: ModelString | None = None  # a policy: who selects; of `inferred`, who infers

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Raises:
            UsageError: an unknown scheme, with the known ones; a form that the scheme does not have; a folder that is not there.
        """
        if not isinstance(text, str):
            raise UsageError(f"model {text!r}: a model is named by a string, such as scripted")
        if is_policy(text):
            return cls._policy(text, cls.parse)
        scheme, colon, rest = text.partition(":")
        if scheme == "scripted":
            policy, asks, query = rest.partition("?")
            return cls(scheme, policy=policy if colon else None, options=_options(text, policy, query) if asks else ())
        if text == "semantic":
            return cls(scheme)
        if scheme == "local" and colon:
            base, adapter = _base_and_adapter(rest)
            return cls(scheme, base=base, adapter=adapter)
        if scheme == "hub" and colon:
            found = _AT_A_PROVIDER.fullmatch(rest)
            if found is None:
                raise UsageError(f"model {repeatable(text)}: expected hub:org/model or hub:org/model:provider")
            return cls(scheme, name=found["name"], provider=found["provider"])
        if scheme == "litellm" and colon:
            if not _AT_LITELLM.fullmatch(rest):
                raise UsageError(f"model {repeatable(text)}: expected litellm:PROVIDER/MODEL, such as litellm:openai/gpt-5")
            return cls(scheme, name=rest)
        if scheme in _REMOTE and colon:
            address, name = _address_and_name(text)
            return cls(scheme, name=name, address=address)
        raise UsageError(
            f"model {repeatable(text)}: unknown scheme {repeatable(scheme)}; known: scripted, scripted:POLICY, semantic, "
            "local:MODEL, local:MODEL+ADAPTER, hub:org/model, hub:org/model:PROVIDER, litellm:PROVIDER/MODEL, "
            f"http://host:port/v1#model, and around any of them: {', '.join(f'{name}(…)' for name in OPTIONS)}"
        )

    @classmethod
    def _policy(cls, text: str, read: Callable[[str], ModelString]) -> Self:
        form = read_policy(text, repeatable(text))
        if "semantic" in (form.model, *form.models.values()):
            raise UsageError(f"model {repeatable(text)}: semantic judges, and has no part in a policy")
        others = {option: read(model) for option, model in form.models.items()}
        return cls(form.name, inner=read(form.model), k=form.k, inferrer=others.get("inferrer"), by=others.get("by"))

    @classmethod
    def recorded(cls, text: str) -> Self:
        """The model string of a run that was made, perhaps on another machine: nothing of it is an error.

        Folders may be gone, and are then told from adapters as well as can be.

        >>> ModelString.recorded("local:/gone/base+org/adapter").adapter
        Source(name='org/adapter', revision=None)
        """
        scheme, _, rest = text.partition(":")
        try:
            return cls.parse(text)
        except UsageError:
            if is_policy(text):
                try:
                    return cls._policy(text, cls.recorded)
                except UsageError:
                    return cls("", name=text)
            if scheme == "local":
                # The first plus that has something known on one of its sides; else the first.
                whole, *split = _splits(rest)
                base, adapter = max(split or [whole], key=lambda parts: any(map(_known, parts)))
                sources = [_known(part) or Source(part) for part in (base, adapter) if part is not None]
                return cls(scheme, base=sources[0], adapter=sources[1] if len(sources) > 1 else None)
            if scheme in ("http", "https"):
                address, _, name = text.partition("#")
                return cls(scheme, name=name or None, address=address)
            return cls("", name=text)

    def __str__(self) -> str:
        if self.inner is not None:
            return self.around(str)
        if self.scheme == "scripted":
            query = "&".join(f"{name}={value}" for name, value in self.options)
            return self.scheme if self.policy is None else f"scripted:{self.policy}" + (f"?{query}" if query else "")
        if self.scheme == "semantic":
            return self.scheme
        if self.scheme == "local":
            return "local:" + "+".join(map(str, self.sources))
        if self.scheme in ("hub", "litellm"):
            return f"{self.scheme}:{self.name}" + (f":{self.provider}" if self.provider else "")
        return "#".join(part for part in (self.address, self.name) if part is not None)

    def around(self, written: Callable[[ModelString], str]) -> str:
        """A policy, with the models in it as `written` writes them."""
        options = [] if self.k is None else [f",k={self.k}"]
        options += [f",{name}={written(model)}" for name, model in (("inferrer", self.inferrer), ("by", self.by)) if model]
        return f"{self.scheme}({written(self.inner)}{''.join(options)})" if self.inner else written(self)

    @property
    def parts(self) -> tuple[ModelString, ...]:
        """Of a policy, the model strings that stand in it; of any other model, none."""
        return tuple(part for part in (self.inner, self.inferrer, self.by) if part is not None)

    @property
    def models(self) -> tuple[ModelString, ...]:
        """The models that take part: of a policy those in it, else the model itself.

        >>> [str(model) for model in ModelString.parse("reminder(inferred(local:pocket,by=scripted))").models]
        ['local:pocket', 'scripted']
        """
        return tuple(model for part in self.parts for model in part.models) or (self,)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The base and the adapter of a `local:` model; of a policy, of all that take part."""
        return tuple(source for model in self.models for source in (model.base, model.adapter) if source is not None)

    @property
    def embeds(self) -> bool:
        """Whether it, or a policy in it, compares texts by their embeddings, so that the embedder has to be installed.

        >>> ModelString.parse("reminder(rag(scripted))").embeds, ModelString.parse("rps(scripted,by=hub:org/model)").embeds
        (True, False)
        """
        itself = self.scheme in ("rag", "semantic") or (self.scheme in ("best-of", "rps") and self.by is None)
        return itself or any(part.embeds for part in self.parts)

    @property
    def only_judges(self) -> bool:
        """Whether it can play no role but the judge's, perhaps from behind an endpoint."""
        return self.scheme == "semantic" or (self.address is not None and self.name == "semantic")

    @property
    def speaker(self) -> tuple[object, ...]:
        """Which model answers, however it is spelt; of two servers, of two ways to one server, nobody can know whether it is one.

        >>> one, other = map(ModelString.parse, ("http://LOCALHOST:80/v1/#m", "http://127.0.0.1/v1#m"))
        >>> one == other, one.speaker == other.speaker
        (False, True)
        """
        if self.is_scripted:  # one that judges as it once did is the same world
            named = (self.name or "").partition(":")[2] if self.address else self.policy or ""
            return ("scripted", named.partition("-")[0].replace("judge", ""))
        if self.address:
            at = urlsplit(self.address)
            host = "127.0.0.1" if at.hostname in ("localhost", "::1") else at.hostname
            return (host, at.port or _PORTS.get(at.scheme), at.path.rstrip("/"), self.name)
        if self.scheme == "local":
            return tuple(str(one.folder.resolve()) if one.folder else str(one).lower() for one in self.sources)
        return ((self.name or "").lower(),)  # whoever provides it

    @property
    def is_remote(self) -> bool:
        """Whether it is asked over a network."""
        return self.scheme in _REMOTE

    @property
    def is_scripted(self) -> bool:
        """Whether the scripted world answers, perhaps from behind an endpoint; in a policy, all that take part.

        >>> ModelString.parse("http://127.0.0.1:8000/v1#scripted").is_scripted
        True
        """
        if self.inner is not None:
            return all(model.is_scripted for model in self.models)
        served = self.name if self.address else None
        return self.scheme == "scripted" or (served is not None and served.partition(":")[0] == "scripted")


def has_scheme(text: str) -> bool:
    """Whether a text is meant as a model string, and not as the name of a model, an adapter or a folder.

    >>> has_scheme("scripted"), has_scheme("local:nothing"), has_scheme("org/model")
    (True, True, False)
    """
    scheme, colon, _ = text.partition(":")
    return is_policy(text) or (scheme in SCHEMES and (bool(colon) or scheme in _ALONE))


def _options(text: str, policy: str, query: str) -> tuple[tuple[str, str], ...]:
    """The query of `scripted:user?name=value&…` or `scripted:biased?…`; what names and values there are is the world's to say."""
    if policy not in TAKES_OPTIONS:
        known = " and ".join(f"scripted:{name}?…" for name in TAKES_OPTIONS)
        raise UsageError(f"model {text!r}: only {known} take options")
    found: dict[str, str] = {}
    for part in query.split("&"):
        option = _QUERY.fullmatch(part)
        if option is None or option["name"] in found:
            wrong = "is given twice" if option else "is no option"
            raise UsageError(f"model {text!r}: {part!r} {wrong}; expected scripted:{policy}?name=value&name=value")
        found[option["name"]] = option["value"]
    return tuple(found.items())


def _splits(text: str) -> Iterator[tuple[str, str | None]]:
    """(base, adapter) as a `local:` string may be read: whole first, then at each plus."""
    yield text, None
    yield from ((text[: plus.start()], text[plus.end() :]) for plus in re.finditer(r"\+", text))


def _base_and_adapter(text: str) -> tuple[Source, Source | None]:
    for base, adapter in _splits(text):
        try:
            return Source.parse(base), None if adapter is None else Source.parse(adapter)
        except UsageError as error:
            wrong = error
    raise wrong


def _address_and_name(text: str) -> tuple[str, str]:
    address, _, name = text.partition("#")
    try:
        parts = urlsplit(address)
        valid = bool(parts.hostname) and parts.port != 0 and text.isprintable() and " " not in address
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"model {repeatable(text)}: no address of a server; expected http://host:port/v1#model")
    if re.search("[@?;]", address) or "?" in name:
        raise UsageError("model: no user, password or query in the address of a server; a key is given by ALOE_API_KEY")
    if not name:
        raise UsageError(f"model {text!r}: which model of that server? Expected {address}#model")
    return address.rstrip("/"), name


def _known(text: str | None) -> Source | None:
    try:
        return None if text is None else Source.parse(text)
    except UsageError:
        return None
