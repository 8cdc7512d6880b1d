"""Every client that is driven: how it is told where Syntra is, and how it is called."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from gateway.doctor import clients
from gateway.doctor.setups import Place
from tests.clients import registry
from tests.clients.play import HELLO, NOTE, Tool
from tests.clients.registry import ROOT, Package
from tests.clients.stage import Client, Scene

PROGRAMS = Path(__file__).resolve().parent / "programs"
PAGES = ROOT / "docs" / "clients"


def openai_env(scene: Scene) -> Mapping[str, str]:
    return {"OPENAI_BASE_URL": scene.gateway.base_url, "OPENAI_API_KEY": scene.gateway.key}


def reading(scene: Scene) -> Tool:
    """The tool of the programs beside this file."""
    return Tool("read_file", {"path": scene.note})


def program(name: str, speaks: str, package: Package, file: str) -> Client:
    """An SDK, called by a small program of ours."""

    def command(scene: Scene) -> list[str]:
        task = "task" if scene.task else "greeting"
        return [*runner(package), str(scene.work / file), speaks, scene.model, scene.prompt, task]

    def configure(scene: Scene) -> None:
        at_hand(package, scene)
        write(scene.work / file, (PROGRAMS / file).read_text())

    def done(scene: Scene, out: str) -> bool:
        return NOTE in out if scene.task else out.count(HELLO) == 2  # streamed, and whole

    return Client(name, speaks, package, command, openai_env, reading, configure, done=done)


def qwen_code() -> Client:
    def command(scene: Scene) -> list[str]:
        return ["qwen", "--auth-type", "openai", "-m", scene.model, "--approval-mode", "yolo", "-p", scene.prompt]

    def env(scene: Scene) -> Mapping[str, str]:
        return {**openai_env(scene), "OPENAI_MODEL": scene.model}

    def tool(scene: Scene) -> Tool:
        return Tool("read_file", {"file_path": scene.note})

    return Client("qwen-code", "chat", registry.QWEN_CODE, command, env, tool)


def shell_gpt() -> Client:
    def configure(scene: Scene) -> None:
        brought = next(registry.SHELL_GPT.folder.glob("lib/*/site-packages/sgpt/llm_functions/common/execute_shell.py"))
        write(scene.home / ".config/shell_gpt/functions/execute_shell.py", brought.read_text())

    def command(scene: Scene) -> list[str]:
        return ["sgpt", "--no-cache", scene.prompt]

    def env(scene: Scene) -> Mapping[str, str]:
        where = {"API_BASE_URL": scene.gateway.base_url, "OPENAI_API_KEY": scene.gateway.key}
        kept = {"CACHE_PATH": str(scene.home / "cache"), "CHAT_CACHE_PATH": str(scene.home / "chats")}
        return {**where, **kept, "DEFAULT_MODEL": scene.model, "PRETTIFY_MARKDOWN": "false"}

    def tool(scene: Scene) -> Tool:
        return Tool("execute_shell_command", {"shell_command": f"cat {scene.note}"})

    return Client("shell-gpt", "chat", registry.SHELL_GPT, command, env, tool, configure)


def pi(speaks: str) -> Client:
    apis = {"chat": "openai-completions", "responses": "openai-responses", "messages": "anthropic-messages"}

    def configure(scene: Scene) -> None:
        base = scene.gateway.origin if speaks == "messages" else scene.gateway.base_url
        provider = {"baseUrl": base, "api": apis[speaks], "apiKey": "SYNTRA_KEY", "models": [{"id": scene.model}]}
        write(scene.home / ".pi/agent/models.json", json.dumps({"providers": {"syntra": provider}}))

    def command(scene: Scene) -> list[str]:
        return ["pi", "-p", "--offline", "--provider", "syntra", "--model", scene.model, scene.prompt]

    def env(scene: Scene) -> Mapping[str, str]:
        return {"SYNTRA_KEY": scene.gateway.key}

    def tool(scene: Scene) -> Tool:
        return Tool("read", {"path": scene.note})

    return Client("pi", speaks, registry.PI, command, env, tool, configure)


def twice(scene: Scene, out: str) -> bool:
    """Said in a stream, and whole."""
    return out.count(NOTE if scene.task else HELLO) >= (1 if scene.task else 2)


def instructor(way: str) -> Client:
    """It wants an object: by a call that it insists on, or by a schema."""

    def tool(scene: Scene) -> Tool:
        return Tool("PartialAnswer", {"said": NOTE if scene.task else HELLO})

    client = program("instructor", way, registry.INSTRUCTOR, "instructor_model.py")
    greets, said = json.dumps({"said": HELLO}), json.dumps({"said": NOTE})
    if way == "json":
        return replace(client, tool=None, greets=greets, said=said, done=twice)
    return replace(client, tool=tool, always=True, done=twice)


def smolagents() -> Client:
    """Its model writes code, which it runs."""
    client = program("smolagents", "chat", registry.SMOLAGENTS, "smolagents_code.py")
    code = "Thought: so it is.\n<code>\nfinal_answer({})\n</code>"
    greets, said = code.format(repr(HELLO)), code.format('read_file("note.txt")')
    return replace(client, tool=None, greets=greets, said=said, done=twice)


def dspy(speaks: str) -> Client:
    """Its fields come in sections of the text, and so do its calls."""

    def sections(**fields: str) -> str:
        return "".join(f"[[ ## {name} ## ]]\n{text}\n\n" for name, text in fields.items()) + "[[ ## completed ## ]]"

    client = program("dspy", speaks, registry.DSPY, "dspy_program.py")
    call = {"next_thought": "Read it.", "next_tool_name": "read_file", "next_tool_args": '{"path": "note.txt"}'}
    end = {"next_thought": "Done.", "next_tool_name": "finish", "next_tool_args": "{}"}
    return replace(
        client,
        tool=None,
        greets=sections(answer=HELLO),
        said=sections(**call),
        then=sections(**end, reasoning="It says so.", answer=NOTE),
        done=twice,
    )


def page(name: str, package: Package, language: str) -> Client:
    """The program on the client's page, as it stands there but for the model."""
    file = {"python": "page.py", "js": "page.mjs"}[language]

    def command(scene: Scene) -> list[str]:
        return [*runner(package), str(scene.work / file)]

    def configure(scene: Scene) -> None:
        at_hand(package, scene)
        write(scene.work / file, block(name, language).replace('"syntra"', f'"{scene.model}"'))

    return Client(name, "page", package, command, openai_env, None, configure, done=lambda _, out: HELLO in out)


def runner(package: Package) -> list[str]:
    return [str(package.programs / "python")] if package.kind == "pip" else ["node"]


def at_hand(package: Package, scene: Scene) -> None:
    """What a program of Node's imports lies beside it."""
    if package.kind == "npm":
        (scene.work / "node_modules").symlink_to(package.folder / "node_modules")


def block(name: str, language: str) -> str:
    """The first block in a language on a client's page."""
    text = (PAGES / f"{name}.md").read_text("utf-8")
    return text.partition(f"```{language}\n")[2].partition("```")[0]


def place(scene: Scene) -> Place:
    return Place(
        scene.gateway.origin, str(scene.gateway.data / "key"), scene.gateway.key, model=scene.model, small=scene.model
    )


def written(name: str) -> Callable[[Scene], None]:
    """The client's files as `syntra doctor --client NAME --write` writes them."""

    def configure(scene: Scene) -> None:
        for file in clients.CLIENTS[name].setup(place(scene)).files:
            write(scene.home / file.path, file.merge(""))

    return configure


def nothing(_: Scene) -> Mapping[str, str]:
    return {}


def codex() -> Client:
    def command(scene: Scene) -> list[str]:
        return ["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", scene.prompt]

    def tool(scene: Scene) -> Tool:
        return Tool("exec_command", {"cmd": f"cat {scene.note}"})

    return Client("codex", "responses", registry.CODEX, command, nothing, tool, written("codex"))


def claude_code() -> Client:
    def command(scene: Scene) -> list[str]:
        return ["claude", "-p", scene.prompt, "--allowedTools", "Read"]

    def env(_: Scene) -> Mapping[str, str]:
        return {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}

    def tool(scene: Scene) -> Tool:
        return Tool("Read", {"file_path": scene.note})

    return Client("claude-code", "messages", registry.CLAUDE_CODE, command, env, tool, written("claude"))


ADAPTERS = {"chat": "@ai-sdk/openai-compatible", "responses": "@ai-sdk/openai", "messages": "@ai-sdk/anthropic"}


def opencode(speaks: str) -> Client:
    def configure(scene: Scene) -> None:
        written("opencode")(scene)
        file = scene.home / ".config/opencode/opencode.json"
        file.write_text(file.read_text().replace(ADAPTERS["chat"], ADAPTERS[speaks]))

    def command(scene: Scene) -> list[str]:
        return ["opencode", "run", scene.prompt]

    def env(_: Scene) -> Mapping[str, str]:
        off = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "SHARE")
        return {f"OPENCODE_DISABLE_{name}": "1" for name in off}

    def tool(scene: Scene) -> Tool:
        return Tool("read", {"filePath": scene.note})

    return Client("opencode", speaks, registry.OPENCODE, command, env, tool, configure)


def continue_cli() -> Client:
    def command(scene: Scene) -> list[str]:
        config = str(scene.home / ".continue" / "config.yaml")
        return ["cn", "--config", config, "--auto", "-p", scene.prompt]

    def env(_: Scene) -> Mapping[str, str]:
        return {"CONTINUE_TELEMETRY_ENABLED": "0"}

    def tool(scene: Scene) -> Tool:
        return Tool("Read", {"filepath": scene.note})

    return Client("continue", "chat", registry.CONTINUE, command, env, tool, written("continue"))


def cline() -> Client:
    def command(scene: Scene) -> list[str]:
        return ["cline", "-c", str(scene.work), scene.prompt]

    def tool(scene: Scene) -> Tool:
        return Tool("read_files", {"files": [{"path": scene.note}]})

    def after(_: Scene) -> list[str]:
        return ["cline", "hub", "stop"]  # a daemon that it leaves behind

    return Client("cline", "chat", registry.CLINE, command, nothing, tool, written("cline"), after=after)


def aider() -> Client:
    """It calls no tools: it writes into files what stands in the answer."""

    def command(scene: Scene) -> list[str]:
        quiet = ["--no-git", "--yes-always", "--no-check-update", "--no-show-release-notes", "--no-pretty"]
        more = ["--edit-format", "whole", "--map-tokens", "0"]
        ask = f"Write {NOTE} into answer.txt." if scene.task else scene.prompt
        return ["aider", *quiet, *more, "--message", ask]

    def done(scene: Scene, out: str) -> bool:
        answer = scene.work / "answer.txt"
        return answer.exists() and NOTE in answer.read_text() if scene.task else HELLO in out

    said = f"Here it is.\n\nanswer.txt\n```\n{NOTE}\n```\n"
    return Client("aider", "chat", registry.AIDER, command, nothing, None, written("aider"), said=said, done=done)


def llm() -> Client:
    def configure(scene: Scene) -> None:
        lines = block("llm", "yaml").replace("http://127.0.0.1:8000", scene.gateway.origin)
        lines = lines.replace("model_name: syntra", f"model_name: {scene.model}")
        write(scene.home / "llm" / "extra-openai-models.yaml", lines)
        write(scene.home / "llm" / "keys.json", json.dumps({"syntra": scene.gateway.key}))

    def command(scene: Scene) -> list[str]:
        tools = ["--functions", str(PROGRAMS / "llm_tools.py")] if scene.task else []
        return ["llm", "-m", "syntra", *tools, scene.prompt]

    def env(scene: Scene) -> Mapping[str, str]:
        return {"LLM_USER_PATH": str(scene.home / "llm")}

    return Client("llm", "chat", registry.LLM, command, env, reading, configure)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


CLIENTS = (
    program("openai-python", "chat", registry.OPENAI_PYTHON, "openai_python.py"),
    program("openai-python", "responses", registry.OPENAI_PYTHON, "openai_python.py"),
    program("openai-node", "chat", registry.OPENAI_NODE, "openai_node.mjs"),
    program("openai-node", "responses", registry.OPENAI_NODE, "openai_node.mjs"),
    codex(),
    claude_code(),
    opencode("chat"),
    opencode("responses"),
    opencode("messages"),
    continue_cli(),
    cline(),
    aider(),
    program("langchain", "chat", registry.LANGCHAIN, "langchain_chat.py"),
    program("langchain", "responses", registry.LANGCHAIN, "langchain_chat.py"),
    program("vercel-ai-sdk", "chat", registry.AI_SDK, "ai_sdk.mjs"),
    program("vercel-ai-sdk", "responses", registry.AI_SDK, "ai_sdk.mjs"),
    llm(),
    qwen_code(),
    pi("chat"),
    pi("responses"),
    pi("messages"),
    program("langchain-node", "chat", registry.LANGCHAIN_NODE, "langchain_node.mjs"),
    program("langchain-node", "responses", registry.LANGCHAIN_NODE, "langchain_node.mjs"),
    program("litellm", "chat", registry.LITELLM, "litellm_sdk.py"),
    program("litellm", "responses", registry.LITELLM, "litellm_sdk.py"),
    program("litellm", "messages", registry.LITELLM, "litellm_sdk.py"),
    program("pydantic-ai", "chat", registry.PYDANTIC_AI, "pydantic_ai_agent.py"),
    program("pydantic-ai", "responses", registry.PYDANTIC_AI, "pydantic_ai_agent.py"),
    program("openai-agents", "chat", registry.OPENAI_AGENTS, "openai_agents_run.py"),
    program("openai-agents", "responses", registry.OPENAI_AGENTS, "openai_agents_run.py"),
    instructor("tools"),
    instructor("json"),
    smolagents(),
    dspy("chat"),
    dspy("responses"),
    shell_gpt(),
    page("openai-python", registry.OPENAI_PYTHON, "python"),
    page("openai-node", registry.OPENAI_NODE, "js"),
    page("langchain", registry.LANGCHAIN, "python"),
    page("vercel-ai-sdk", registry.AI_SDK, "js"),
)
