"""The user's own installation: settings, data directory, secrets, documents, and the providers' keys."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from gateway import prepare
from gateway.core.errors import BadRequest, SyntraError
from gateway.doctor.finding import BAD, GOOD, ODD, Finding
from gateway.outside import Outside
from gateway.settings import Settings
from gateway.stores import keyfile
from gateway.stores.keyfile import ENCRYPTION, KEY, SECRET, Kept, KeyFileError
from gateway.stores.qualities import require_usable
from gateway.stores.vault import MasterError
from gateway.upstream import documents, providers
from gateway.upstream.dialect import Provider
from gateway.upstream.providers import KNOWN, ProvidersError
from gateway.upstream.proxy import Proxy
from gateway.upstream.verify import Verify
from policies.documents import DocumentError

_OWN: Final = "SYNTRA_"
_ENDINGS: Final = ("_KEY", "_TOKEN", "_APIKEY", "_SECRET_KEY")
_LEAST_ROOM: Final = 1 << 30  # bytes


def variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Names that look like a setting of ours and are none: a slip of the finger changes nothing, and says nothing."""
    ours = [*Settings.__struct_encode_fields__, *(f"{stem}_API_KEY" for one in KNOWN for stem in one.stems)]
    inside = {"SYNTRA_KEY", "SYNTRA_API_KEY", "SYNTRA_VECTORS_SOCKET"}  # what our own pages and processes set
    for name in sorted(environ):
        stem = next((stem for one in KNOWN for stem in one.stems if name in {stem + end for end in _ENDINGS}), "")
        if stem and not environ.get(f"{stem}_API_KEY"):
            yield Finding(name, ODD, "is not read", f"Call it {stem}_API_KEY.")
        elif name.startswith(_OWN) and name not in ours and name not in inside:
            near = get_close_matches(name, ours, 1)
            yield Finding(name, ODD, "is not a setting", f"Do you mean {near[0]}?" if near else "Take it out.")


def place(chosen: Settings) -> Iterator[Finding]:
    """The data directory and the secrets in it."""
    path = chosen.data_path
    if not path.exists():
        parent = next(one for one in path.parents if one.exists())
        if os.access(parent, os.W_OK):
            yield Finding("data directory", GOOD, f"{path} is made by the first start")
        else:
            yield Finding("data directory", BAD, f"{parent} cannot be written", "Set SYNTRA_DATA_DIR elsewhere.")
        return
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        yield Finding("data directory", BAD, f"{path} cannot be written", "Set SYNTRA_DATA_DIR elsewhere, or chown it.")
        return
    room = shutil.disk_usage(path).free
    state, mend = (GOOD, "") if room > _LEAST_ROOM else (ODD, "Make room: PostgreSQL and the journal stop without.")
    yield Finding("data directory", state, f"{path}, {room / 1e9:.0f} GB free", mend)
    yield from _secrets(chosen, path)


def _secrets(chosen: Settings, path: Path) -> Iterator[Finding]:
    kept: tuple[tuple[Kept, bool], ...] = (
        (KEY, False),
        (SECRET, bool(chosen.secret_key)),
        (ENCRYPTION, bool(chosen.encryption_key)),
    )
    for one, given in kept:
        if not given and not (path / one.name).exists():
            yield Finding(one.setting or "key", GOOD, "is made by the first start")
            continue
        try:
            if one is ENCRYPTION:
                prepare.vault(chosen)
            elif one is SECRET:
                prepare.pepper(chosen)
            else:
                keyfile.read_or_make(path)
        except (KeyFileError, MasterError, OSError) as error:
            yield Finding(one.setting or "key", BAD, str(error), _mend(path / one.name))
            continue
        where = f"from {one.setting}" if given else str(path / one.name)
        open_to = 0 if given else stat.S_IMODE((path / one.name).stat().st_mode) & 0o077
        mend = f"chmod 600 {path / one.name}" if open_to else ""
        yield Finding(one.setting or "key", BAD if open_to else GOOD, where, mend)


def _mend(path: Path) -> str:
    return f"See {path}; openssl rand -base64 32 makes a new secret." if path.exists() else "Set it anew."


def papers(chosen: Settings, live: Mapping[str, Provider]) -> Iterator[Finding]:
    """The policy documents, and what else is only read."""
    try:
        found = documents.library(chosen.policies_path, list(live), require_usable)
        yield Finding("policy documents", GOOD, f"version {found.version}, {len(found.models.model)} models")
    except DocumentError as error:
        yield Finding("policy documents", BAD, str(error), f"Mend it in {chosen.policies_path}; `syntra policy check`.")
    if chosen.outbound_proxy:
        try:
            Proxy.at(chosen.outbound_proxy)
            yield Finding("SYNTRA_OUTBOUND_PROXY", GOOD, "can be read")
        except ValueError as error:
            yield Finding("SYNTRA_OUTBOUND_PROXY", BAD, str(error), "Write http://user:password@host:port.")


def keys(environ: Mapping[str, str], chosen: Settings) -> tuple[dict[str, Provider], list[Finding]]:
    """The providers that have a key, and how their settings are."""
    try:
        live = providers.configured(environ, chosen.providers)
    except ProvidersError as error:
        return {}, [Finding("providers", BAD, str(error), "Mend the variable that it names.")]
    if not live:
        mend = "Set OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY, …, or give an organisation keys of its own."
        return {}, [Finding("providers", ODD, "none has a key here: answers are simulated", mend)]
    return live, [Finding(name, GOOD, f"has a key, at {one.base_url}") for name, one in live.items()]


async def called(environ: Mapping[str, str], chosen: Settings) -> AsyncIterator[Finding]:
    """Each provider asked for one token with its key."""
    outside = Outside(chosen, environ)
    models = [
        model.name for model in documents.library(chosen.policies_path, list(outside.live), require_usable).models.chat
    ]
    verify = Verify(outside.upstream, outside.prices, lambda: models)
    try:
        for name, provider in outside.live.items():
            yield await _called(verify, name, provider)
    finally:
        outside.close()


async def _called(verify: Verify, name: str, provider: Provider) -> Finding:
    what = f"{name}, called"
    try:
        taken = await verify.verify(name, provider.key)
    except BadRequest as error:
        return Finding(what, ODD, error.message)
    except SyntraError as error:
        mend = "Is its base URL right? SYNTRA_ALLOW_PRIVATE_UPSTREAMS=1 is needed for a private address."
        return Finding(what, BAD, error.message, mend)
    if taken:
        return Finding(what, GOOD, "its key is taken")
    variable = next((one.stems[0] for one in KNOWN if one.name == name), name.upper().replace("-", "_"))
    return Finding(what, BAD, "its key is refused", f"Put a key that is valid into {variable}_API_KEY.")
