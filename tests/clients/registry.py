"""Which clients there are, of which version, and how they get from their registries into the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".clients"
NODE = "node@22.23.3"  # most of them want 22 or newer, and a package of npm's is one for everybody
QUIET = {"npm_config_update_notifier": "false", "npm_config_audit": "false", "npm_config_fund": "false"}


class InstallError(Exception):
    """A registry did not give what was asked for."""


@dataclass(frozen=True)
class Package:
    """Packages that make a room of their own in the cache."""

    room: str
    kind: str  # npm | pip
    wanted: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return CACHE / self.room

    @property
    def programs(self) -> Path:
        return self.folder / ("node_modules/.bin" if self.kind == "npm" else "bin")

    @property
    def shown(self) -> str:
        return self.wanted[0]

    def install(self) -> None:
        """Installs once; again when another version is wanted."""
        stamp = self.folder / "wanted.txt"
        words = "\n".join(self.wanted)
        if stamp.exists() and stamp.read_text() == words:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if self.kind == "npm":
            _run("npm", "install", "--prefix", str(self.folder), "--loglevel=error", *self.wanted)
        else:
            _run(sys.executable, "-m", "venv", str(self.folder))
            _run(str(self.programs / "pip"), "install", "--quiet", "--disable-pip-version-check", *self.wanted)
        stamp.write_text(words)


def _run(*command: str) -> None:
    done = subprocess.run(command, env={**os.environ, **QUIET}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallError(f"{' '.join(command[:3])} …: {done.stderr.strip()[-2000:]}")


NODE_ITSELF = Package("node", "npm", (NODE,))
OPENAI_PYTHON = Package("openai-python", "pip", ("openai==3.57.0",))
OPENAI_NODE = Package("openai-node", "npm", ("openai@7.57.0",))
CODEX = Package("codex", "npm", ("@openai/codex@0.171.0",))
CLAUDE_CODE = Package("claude-code", "npm", ("@anthropic-ai/claude-code@2.1.332",))
OPENCODE = Package("opencode", "npm", ("opencode-ai@1.18.33",))
CONTINUE = Package("continue", "npm", ("@continuedev/cli@1.5.47",))
CLINE = Package("cline", "npm", ("cline@3.0.65",))
AIDER = Package("aider", "pip", ("aider-chat==0.86.2",))
LANGCHAIN = Package("langchain", "pip", ("langchain-openai==1.7.4",))
LLM = Package("llm", "pip", ("llm==0.36",))
AI_SDK = Package(
    "vercel-ai-sdk", "npm", ("ai@7.0.173", "@ai-sdk/openai-compatible@3.0.92", "@ai-sdk/openai@4.0.118", "zod@4.6.7")
)
QWEN_CODE = Package("qwen-code", "npm", ("@qwen-code/qwen-code@0.24.4",))
PI = Package("pi", "npm", ("@mariozechner/pi-coding-agent@0.73.1",))
LANGCHAIN_NODE = Package("langchain-node", "npm", ("@langchain/openai@1.6.0", "@langchain/core@1.4.0", "zod@4.6.7"))
LITELLM = Package(
    "litellm", "pip", ("litellm==1.110.2", "mcp==2.3.0")
)  # its responses() needs mcp, and does not say so
PYDANTIC_AI = Package("pydantic-ai", "pip", ("pydantic-ai-slim[openai]==2.68.0",))
OPENAI_AGENTS = Package("openai-agents", "pip", ("openai-agents==0.24.0",))
INSTRUCTOR = Package("instructor", "pip", ("instructor==1.17.0",))
SMOLAGENTS = Package("smolagents", "pip", ("smolagents[openai]==1.26.0",))
DSPY = Package("dspy", "pip", ("dspy==3.4.1",))
SHELL_GPT = Package("shell-gpt", "pip", ("shell-gpt==1.5.1", "click==8.5.1"))  # click, which it does not ask for
