"""Every provider that does not speak OpenAI's wire, through LiteLLM's translation classes, on our own connection.

LiteLLM is used as a dictionary, never as a client: its provider configurations turn a request into a body and an answer
into chunks; dialling, deadlines, retries and errors stay ours. This is the only file that imports it, in `load`.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import importlib.util
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from gateway.core.chat import ChatRequest
from gateway.core.errors import BadRequest, SyntraError
from gateway.core.native import MESSAGES
from gateway.upstream import anthropic, anthropic_messages, faults, gemini
from gateway.upstream.anthropic_messages import MessagesDecoder
from gateway.upstream.dialect import Decoder, Outbound, Provider
from gateway.upstream.moved import fit
from gateway.upstream.openai_wire import OpenAIDecoder
from gateway.upstream.terms import ANTHROPIC, GEMINI, Said, Terms, read
from gateway.upstream.translated import Dictionary, TranslatedDecoder

# Set before the import, because LiteLLM reads them while it is imported.
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it dials raw.githubusercontent.com
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_MODE": "PRODUCTION",  # else it reads ./.env into the environment
    "LITELLM_LOG": "CRITICAL",
    "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0",  # its own switch against fetching what clients link to
}

# What has no base form in LiteLLM 1.106: signs with a cloud's SDK, trades the key for a token over the network, dials
# while it translates (each found with a socket spy), streams something else than events, or is not a chat.
_UNFIT = frozenset(
    """a2a aiml anthropic_text auto_router azure azure_ai azure_text bedrock bytez chatgpt clarifai cloudflare cursor
    databricks deepgram elevenlabs fal_ai gigachat github_copilot heroku huggingface langgraph lemonade litellm_proxy
    manus nlp_cloud oci ollama ollama_chat oobabooga petals predibase ragflow replicate sagemaker sagemaker_chat sap
    snowflake text-completion-codestral text-completion-openai triton vertex_ai watsonx watsonx_text
    abliteration azure_ai/agents gmi llamagate nanogpt sarvam venice vertex_ai/agent_engine""".split()
)
# Where LiteLLM knows a provider's address only inside its own client.
_HOMES = {
    ANTHROPIC: "https://api.anthropic.com",
    GEMINI: "https://generativelanguage.googleapis.com",
    "cohere": "https://api.cohere.com/v2/chat",
    "cohere_chat": "https://api.cohere.com/v2/chat",
    "ai21": "https://api.ai21.com/studio/v1",
    "amazon_nova": "https://api.nova.amazon.com/v1",
    "compactifai": "https://api.compactif.ai/v1",
    "maritalk": "https://chat.maritaca.ai/api",
    "cometapi": "https://api.cometapi.com/v1",
    "minimax": "https://api.minimax.io/v1",
    "ovhcloud": "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "openai": "https://api.openai.com/v1",
}
# LiteLLM looks for the end and the tool calls of Cohere's stream where Cohere does not put them.
_ONLY_WHOLE = frozenset({"cohere", "cohere_chat"})
_MODEL = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@._:+-]*(/[A-Za-z0-9@][A-Za-z0-9@._:+-]*)*")  # it may end up in a URL
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NO_HEADERS = frozenset({"host", "content-length", "connection", "accept-encoding"})  # the wire's


class Library(Struct, frozen=True):
    """The pieces of LiteLLM that are used, after its one import."""

    litellm: Any
    configs: Any
    providers: Any
    gemini_body: Any
    gemini_parser: Any
    anthropic_parser: Any
    openai_parser: Any
    dictionary: Dictionary


def is_loaded() -> bool:
    """Whether `load` has been called: then it costs nothing."""
    return bool(load.cache_info().currsize)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of garbage: an import makes much and none of it is, and looking for it takes 1.2 s."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@functools.cache
@_uncollected()
def load() -> Library:
    """Import LiteLLM, quietly and without a dial: 4 s of CPU, so call it in a thread before requests come."""
    os.environ.update(_ENVIRONMENT)
    litellm: Any = importlib.import_module("litellm")
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    litellm.drop_params = True  # what it drops is named by us
    litellm.modify_params = False  # it would invent messages
    utils = importlib.import_module("litellm.utils")
    types = importlib.import_module("litellm.types.utils")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's, about LiteLLM's models
        choice = types.StreamingChoices(delta=types.Delta(content=""))
        types.ModelResponseStream(choices=[choice], usage=types.Usage())  # built at first use, which is not a request's
        types.ModelResponse()
    httpx = importlib.import_module("httpx")
    core = importlib.import_module("litellm.litellm_core_utils.core_helpers")
    google = importlib.import_module("litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini")
    return Library(
        litellm=litellm,
        configs=utils.ProviderConfigManager.get_provider_chat_config,
        providers=types.LlmProviders,
        gemini_body=importlib.import_module("litellm.llms.vertex_ai.gemini.transformation").transform_request_body,
        gemini_parser=google.ModelResponseIterator,
        anthropic_parser=importlib.import_module("litellm.llms.anthropic.chat.handler").ModelResponseIterator,
        openai_parser=importlib.import_module(
            "litellm.llms.openai.chat.gpt_transformation"
        ).OpenAIChatCompletionStreamingHandler,
        dictionary=Dictionary(httpx.Response, types.ModelResponse, core.map_finish_reason),
    )


@functools.cache
def names() -> frozenset[str]:
    """The providers that can be offered, by LiteLLM's names; read from the wheel's data, without importing it."""
    spec = importlib.util.find_spec("litellm")  # finds the folder, runs nothing
    if spec is None or spec.origin is None:
        return frozenset()
    path = Path(spec.origin).with_name("provider_endpoints_support_backup.json")
    providers = msgspec.json.decode(path.read_bytes())["providers"]
    chats = {name for name, about in providers.items() if about["endpoints"].get("chat_completions")}
    return frozenset(chats) - _UNFIT


@functools.cache
def _find_home(name: str) -> str:
    return _HOMES.get(name) or load().litellm.get_llm_provider(f"{name}/any", api_key="-")[3] or ""


@functools.lru_cache(maxsize=512)
def _look_up(name: str, model: str) -> tuple[Any, frozenset[str]]:
    """A provider's configuration and its words for a model; half of a translation's time without the cache."""
    library = load()
    if name not in set(library.providers):
        return None, frozenset()
    config = library.configs(model, library.providers(name))
    return config, frozenset(config.get_supported_openai_params(model) if config is not None else ())


class Translated:
    """A dialect for one LiteLLM provider."""

    def __init__(self, litellm_name: str) -> None:
        self._name: Final = litellm_name

    @property
    def native(self) -> str:
        """The clients' dialect that it speaks beside chat completions."""
        return MESSAGES if self._name == ANTHROPIC else ""

    def home(self) -> str:
        """Where this provider is when no base URL is set; empty where that has to be set."""
        return _find_home(self._name)

    def encode(self, provider: Provider, model: str, request: ChatRequest) -> Outbound:
        """The request as this provider wants it; whatever LiteLLM trips over is the request's fault, told as a 400."""
        if not _MODEL.fullmatch(model):
            raise BadRequest("A model's name has no such form.", param="model", code="invalid_value")
        try:
            return self._encode(provider, model, request)
        except SyntraError:
            raise
        except Exception as error:  # noqa: BLE001  # its translators raise whatever a lookup raises; RecursionError too
            raise self._refusal(error, request) from None

    def decoder(self, model: str, request: ChatRequest) -> Decoder:
        """A reader for one answer; its parser keeps state, so there is one for each."""
        if request.native is not None:
            return MessagesDecoder()
        library = load()
        if self._name == ANTHROPIC:
            renamed = _renamed_tools(library, request)
            parser = library.anthropic_parser(None, sync_stream=False, json_mode=False, tool_name_reverse_map=renamed)
            litellm_params = {"_anthropic_tool_name_map": renamed}
            return anthropic.AnthropicDecoder(model, parser, self._config(model)[0], library.dictionary, litellm_params)
        if self._name == GEMINI:
            parser = library.gemini_parser(None, sync_stream=False, logging_obj=library.dictionary.log)
            return gemini.GeminiDecoder(model, parser, choices=request.body.n or 1)
        config, _ = self._config(model)
        parser = config.get_model_response_iterator(streaming_response=None, sync_stream=False, json_mode=False)
        if type(parser) is library.openai_parser and request.body.response_format is None:
            return OpenAIDecoder()  # nothing to translate: 2 µs an event instead of 40
        return TranslatedDecoder(self._name, model, parser, config, library.dictionary, {})

    def fault(self, provider: Provider, status: int, headers: Mapping[str, str], body: bytes) -> SyntraError:
        """The error that a status means."""
        return faults.fault(provider.name, status, headers, body)

    def _config(self, model: str) -> tuple[Any, frozenset[str]]:
        if self._name in _UNFIT:
            raise self._unsupported()
        config, supported = _look_up(self._name, model)
        if config is None or config.has_custom_stream_wrapper:
            raise self._unsupported()
        return config, supported

    def _encode(self, provider: Provider, model: str, request: ChatRequest) -> Outbound:
        if request.native is not None:
            return anthropic_messages.said(provider, model, request, request.native)
        config, supported = self._config(model)
        request = fit(request, provider, model)
        terms = read(request, self._name, supported)
        terms.messages = config.translate_developer_role_to_system_role(terms.messages)
        stream = bool(request.body.stream) and not self._only_whole(config, model)
        key = provider.key.reveal()
        base = provider.base_url or self.home()
        if self._name == ANTHROPIC:
            url, headers, body = anthropic.say(config, terms, model, key, base, stream=stream)
        elif self._name == GEMINI:
            url, headers, body = gemini.say(config, load().gemini_body, terms, model, key, base, stream=stream)
        else:
            counted = "stream_options" in supported
            url, headers, body = _say(config, terms, model, key, base, stream=stream, counted=counted)
            if not base or urlsplit(url).netloc != urlsplit(base).netloc:
                # Without an address LiteLLM sends the key to api.openai.com; and some take the host from the model.
                raise BadRequest(f"No address is set for {self._name}.", param="model", code="unsupported_provider")
        return Outbound(url, _plain_headers(headers), _encode_body(body), tuple(terms.dropped))

    def _only_whole(self, config: Any, model: str) -> bool:
        """Whether the answer is asked for in one piece even for a stream; its content type then says so."""
        faked: bool = config.should_fake_stream(model=model, stream=True, custom_llm_provider=self._name)
        return faked or self._name in _ONLY_WHOLE

    def _refusal(self, error: Exception, request: ChatRequest) -> BadRequest:
        """Our own words; LiteLLM's quote the request, and on some paths its configuration."""
        said = str(error).partition("\n")[0]
        fields = [name for name in request.fields if name not in ("model", "messages")]
        words = {name: re.escape(name).replace("_", "[_ ]") for name in fields}
        param = next((name for name, word in words.items() if re.search(rf"\b{word}\b", said, re.IGNORECASE)), None)
        about = f"'{param}'" if param else "something in it"
        message = f"This request cannot be said to {self._name}: {about} does not fit its wire."
        return BadRequest(message, param=param, code="unsupported_value")

    def _unsupported(self) -> BadRequest:
        message = f"The provider '{self._name}' cannot be used here: it needs more than a key and an address."
        return BadRequest(message, param="model", code="unsupported_provider")


def _say(config: Any, terms: Terms, model: str, key: str, base: str, *, stream: bool, counted: bool) -> Said:
    """By the base form that most of LiteLLM's configurations share, in the order in which its own client asks them."""
    if stream:
        terms.params["stream"] = True
    optional = config.map_openai_params(terms.params, {}, model, True)
    for internal in ("json_mode", "fake_stream", "extra_body"):
        optional.pop(internal, None)
    asked: dict[str, Any] = {"optional_params": optional, "litellm_params": {}}
    headers = config.validate_environment({}, model, terms.messages, api_key=key, api_base=base, **asked)
    url = config.get_complete_url(base, key, model, stream=stream, **asked)
    body = config.transform_request(model, terms.messages, headers=headers, **asked)
    if stream and config.supports_stream_param_in_request_body:
        body["stream"] = True
        if counted:
            body["stream_options"] = {"include_usage": True}
    headers, signed = config.sign_request(headers, optional, body, url, api_key=key, model=model, stream=stream)
    return url, headers, body if signed is None else signed


def _renamed_tools(library: Library, request: ChatRequest) -> dict[str, str]:
    """Anthropic's names for tools whose own names it does not take, to the client's."""
    called = [tool.function.name for tool in request.body.tools or () if tool.function is not None]
    if all(_PLAIN_NAME.fullmatch(name) for name in called):
        return {}
    tools = [{"name": name} for name in called]
    renamed: dict[str, str] = library.litellm.AnthropicConfig._build_request_tool_name_maps(tools)[1]  # noqa: SLF001
    return renamed


def _plain_headers(headers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lower-case names, each once, in an order that does not change; `anthropic-beta` comes from a set."""
    plain = {name.lower(): str(value) for name, value in headers.items()}
    plain["content-type"] = "application/json"
    if "anthropic-beta" in plain:
        plain["anthropic-beta"] = ",".join(sorted(plain["anthropic-beta"].split(",")))
    return [(name, plain[name]) for name in sorted(plain) if name not in _NO_HEADERS]


def _encode_body(body: dict[str, Any] | bytes) -> bytes:
    return body if isinstance(body, bytes) else msgspec.json.encode(body, enc_hook=_encode_model)


def _encode_model(value: Any) -> Any:
    """LiteLLM leaves a pydantic model here and there."""
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_none=True)
    raise TypeError(type(value).__name__)
