"""The house keeps its floors: read from the imports, not from what anybody says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FLOORS = {
    "gateway": 0,  # the version, nothing else
    "policies": 0,
    "gateway.core": 0,
    "gateway.stores": 1,
    "gateway.upstream": 1,
    "gateway.dialects": 1,
    "gateway.stages": 2,
    "gateway.records": 2,
    "gateway.pipeline": 3,
    "gateway.expectation": 3,  # what the pipeline thinks a request will take
    "gateway.fitting": 3,  # the conversation made to fit who is asked
    "gateway.aside": 3,  # questions of our own, of the cheapest model
    "gateway.leaning": 3,  # and a follow-up that one of them completes
    "gateway.reply": 3,  # what the pipeline gives back
    "gateway.continuing": 3,  # and who goes on with it
    "gateway.rules": 3,  # the documents in force, with the stages that follow them
    "gateway.http": 4,
    "gateway.settings": 5,
    "gateway.prepare": 6,
    "gateway.prepared": 6,
    "gateway.outside": 6,
    "gateway.people": 6,
    "gateway.books": 6,
    "gateway.embedding": 4,  # a model of texts, ours or ...
    "gateway.hired": 4,  # a provider's
    "gateway.remembering": 5,
    "gateway.backing": 6,
    "gateway.dependencies": 6,
    "gateway.engines": 6,
    "gateway.app": 7,
    "gateway.banner": 7,
    "gateway.doctor": 7,
    "gateway.commands": 8,
    "gateway.__main__": 9,
}
ALONE = (
    "gateway.core",
    "policies",
    "gateway.stores",
    "gateway.upstream",
    "gateway.dialects",
)  # no floor-mate of these is imported

# What stands on the stages' floor and is no stage: the parts of `clean`. `sanitize` runs its automaton over one text,
# `selfspeech` holds the automaton, the phrases and the reading of a Markdown page.
PARTS = {"sanitize", "selfspeech"}

MOST_LINES = 400
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "base", "tools"}
NEVER = {"subprocess", "jinja2", "pickle", "marshal", "shelve", "runpy", "code", "pty", "ctypes"}
SETTINGS_READERS = {
    *(
        "gateway.app",
        "gateway.backing",
        "gateway.dependencies",
        "gateway.outside",
        "gateway.people",
        "gateway.engines",
        "gateway.prepare",
        "gateway.__main__",
        "gateway.banner",
    ),
    *("gateway.commands.offline", "gateway.commands.policy"),
    *("gateway.commands.database", "gateway.commands.doctor", "gateway.doctor.installation", "gateway.doctor.storage"),
}
LITELLM = "gateway.upstream.translate"
STORES = {"gateway.stores.postgres", "gateway.stores.schema"}  # psycopg's connections, to DATABASE_URL alone
ENGINES = "gateway.stores.embedded"
NEAR = {f"{ENGINES}.hold", f"{ENGINES}.sockets", "gateway.stores.vectors_link"}  # sockets in the data directory
# Who starts processes: our own modules, and the engines' programs as they come in their wheels.
STARTS = {("gateway.__main__", "subprocess"), (f"{ENGINES}.hold", "subprocess"), (f"{ENGINES}.child", "subprocess")} | {
    *((f"{ENGINES}.lowered", "subprocess"), (f"{ENGINES}.valkey", "subprocess")),
    *((f"{ENGINES}.child", "ctypes"), ("gateway.core.heap", "ctypes")),  # prctl and mallopt
}
DIALS = {"gateway.upstream.wire", "gateway.upstream.connection", "gateway.upstream.proxy"}
CLIENTS = {"aiohttp", "ftplib", "http.client", "httpcore", "httptools", "httpx", "openai", "requests", "smtplib"} | {
    "telnetlib", "urllib.request", "urllib3", "websockets"
}  # fmt: skip
DIALLING = {"open_connection", "open_unix_connection", "create_connection", "create_unix_connection", "sock_connect"}
DYNAMIC = {"import_module", "__import__"}


@dataclass(frozen=True)
class Import:
    """One import: who, what, where, and whether it runs when its module is loaded."""

    by: str
    of: str
    line: int
    inside: str = ""  # the function it stands in
    typing: bool = False  # under TYPE_CHECKING

    def __str__(self) -> str:
        return f"{self.by}:{self.line} imports {self.of}"


@dataclass(frozen=True)
class Module:
    """One file."""

    name: str
    path: Path
    tree: ast.Module

    def __str__(self) -> str:
        return self.name


@cache
def modules() -> tuple[Module, ...]:
    files = sorted(path for top in ("gateway", "policies") for path in (ROOT / top).rglob("*.py"))
    return tuple(Module(_name(path), path, ast.parse(path.read_text("utf-8"))) for path in files)


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for module in modules() for found in _walk(module, module.tree, "", typing=False))


def _walk(module: Module, node: ast.AST, inside: str, *, typing: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module.name, alias.name, child.lineno, inside, typing)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module}:{child.lineno}: imports are absolute"
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                yield Import(
                    module.name, whole if whole in _known() else str(child.module), child.lineno, inside, typing
                )
        elif isinstance(child, ast.Call) and _called(child) in DYNAMIC:
            first = child.args[0]
            name = first.value if isinstance(first, ast.Constant) else ast.unparse(first)
            yield Import(module.name, str(name), child.lineno, inside, typing)
        name = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else inside
        under = typing or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
        yield from _walk(module, child, name, typing=under)


@cache
def _known() -> frozenset[str]:
    return frozenset(module.name for module in modules())


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def group(name: str) -> str:
    """The part of the house that a module belongs to."""
    return max((part for part in FLOORS if name == part or name.startswith(f"{part}.")), key=len)


def stage(name: str) -> str:
    """The stage that a module is, or is a file of."""
    return (name.split(".") + [""] * 3)[2]


def own() -> list[Import]:
    return [found for found in imports() if found.of.split(".")[0] in ("gateway", "policies")]


def told(found: list[Import]) -> list[str]:
    return [str(one) for one in found]


def test_every_module_stands_on_a_floor() -> None:
    assert [module.name for module in modules() if group(module.name) == "gateway" and module.name != "gateway"] == []


def test_the_house_was_read() -> None:
    assert {"gateway.core.chat", "gateway.pipeline", "policies.documents"} <= _known()
    assert len(own()) > 100


def test_imports_only_point_down() -> None:
    upward = [
        found
        for found in own()
        if group(found.by) != group(found.of) and FLOORS[group(found.of)] > FLOORS[group(found.by)]
    ]
    assert told(upward) == []


def test_neighbours_on_a_low_floor_do_not_know_each_other() -> None:
    across = [
        found
        for found in own()
        if group(found.by) in ALONE
        and group(found.of) != group(found.by)
        and FLOORS[group(found.of)] == FLOORS[group(found.by)]
        and group(found.of) != "gateway"
    ]
    assert told(across) == []


def test_policies_import_nothing_from_the_gateway() -> None:
    assert told([found for found in own() if group(found.by) == "policies" and group(found.of) != "policies"]) == []


def test_a_stage_does_not_import_a_stage() -> None:
    between = [
        found
        for found in own()
        if group(found.by) == "gateway.stages"
        and group(found.of) in ("gateway.stages", "gateway.records")
        and (stage(found.of) not in PARTS and stage(found.of) != stage(found.by))
    ]
    assert told(between) == []


def test_the_parts_of_clean_are_used_by_clean_alone() -> None:
    elsewhere = [
        found
        for found in own()
        if group(found.of) == "gateway.stages"
        and stage(found.of) in PARTS
        and not (group(found.by) == "gateway.stages" and stage(found.by) in PARTS | {"clean"})
    ]
    assert told(elsewhere) == []


def test_nothing_imports_in_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    for found in own():
        if not found.typing and found.of != found.by:
            edges.setdefault(found.by, set()).add(found.of)
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for other in edges.get(name, ()):
                visit(other, (*path, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def test_nothing_is_imported_inside_a_function_but_litellm_and_commands() -> None:
    # A command is loaded when it is called: the server's parent only waits, and need not hold what commands use.
    # Qdrant's client is loaded where QDRANT_URL is set: it is 43 MB of a worker.
    lazy = {(LITELLM, "load"), ("gateway.commands", "get_command"), ("gateway.stores.vectors", "chosen")}
    lazy |= {("gateway.backing", "_second")}  # SuperMemory's client, where it has a key
    lazy |= {("gateway.hired", "chosen")}  # onnxruntime, where SYNTRA_EMBEDDING is minilm
    lazy |= {("gateway.people", "get")}  # jwt and cryptography, where somebody has a session
    assert told([found for found in imports() if found.inside and (found.by, found.inside) not in lazy]) == []


def test_litellm_is_imported_in_one_function_of_one_file() -> None:
    found = [one for one in imports() if one.of.split(".")[0] == "litellm"]
    assert found
    assert {(one.by, one.inside) for one in found} == {(LITELLM, "load")}


def test_only_the_http_floor_and_the_composition_root_know_litestar() -> None:
    found = [one for one in imports() if one.of.split(".")[0] == "litestar"]
    assert found
    assert told([one for one in found if group(one.by) not in ("gateway.http", "gateway.app")]) == []


def test_what_only_administrators_use_is_imported_by_their_api_alone() -> None:
    # 30 MB that a gateway which only serves can do without.
    light = {"gateway.http.admin", "gateway.http.admin.door", "gateway.http.admin.parts", "gateway.http.admin.sessions"}
    api = {module.name for module in modules() if module.name.startswith("gateway.http.admin.")} - light
    heavy = [one for one in imports() if one.of.split(".")[0] in ("pydantic", "sqlalchemy", "sqlmodel")]
    assert {one.by for one in heavy} - api == {"gateway.stores.rows"}
    assert {one.by for one in own() if one.of in api | {"gateway.stores.rows"}} <= api


def test_tokens_are_read_in_one_place_which_the_first_person_loads() -> None:
    people = "gateway.stages.people"
    found = [one for one in imports() if one.of.split(".")[0] in ("jwt", "cryptography")]
    assert found
    assert told([one for one in found if not one.by.startswith(people)]) == []
    assert (
        told([one for one in own() if one.of.startswith(people) and not one.by.startswith(people) and not one.typing])
        == []
    )


def test_only_the_command_line_knows_granian() -> None:
    assert {one.by for one in imports() if one.of.split(".")[0] == "granian"} == {"gateway.__main__"}


def test_settings_are_read_in_one_place_and_handed_on() -> None:
    assert {found.by for found in own() if group(found.of) == "gateway.settings"} <= SETTINGS_READERS
    assert {group(found.of) for found in own() if found.by == "gateway.settings"} == {"gateway.core"}


def test_the_environment_is_looked_at_only_where_it_enters() -> None:
    looking = {
        module.name
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
    }
    # A worker that was just forked reads its settings; LiteLLM itself reads variables while it is imported.
    # The child that counts tokens tells tiktoken where its files are; that has no other way to be told.
    commands = {f"gateway.commands.{name}" for name in ("route", "policy", "database", "doctor")}
    assert (
        looking == {"gateway.__main__", "gateway.app", "gateway.prepare", "gateway.stores.counting", LITELLM} | commands
    )


def test_only_the_wire_dials() -> None:
    clients = [one for one in imports() if _client(one.of) and one.by not in DIALS]
    # httpx.Response is what LiteLLM's translators read answers from; nothing is sent with it.
    assert told([one for one in clients if (one.by, one.of, one.inside) != (LITELLM, "httpx", "load")]) == []
    calls = [
        f"{module}:{node.lineno} {_called(node)}"
        for module in modules()
        if module.name not in DIALS | STORES | NEAR
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and _called(node) in DIALLING | {"connect", "AsyncClient", "Client"}
    ]
    assert calls == []


def _client(name: str) -> bool:
    return any(name == client or name.startswith(f"{client}.") for client in CLIENTS)


def test_nothing_runs_what_it_was_given() -> None:
    assert told([one for one in imports() if one.of.split(".")[0] in NEVER and (one.by, one.of) not in STARTS]) == []
    runs = [
        f"{module}:{node.lineno} {_called(node)}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec", "compile"))
            or ast.unparse(node.func) in ("os.system", "os.popen", "os.execv", "os.spawnv")
        )
    ]
    assert runs == []


@pytest.mark.parametrize("module", modules(), ids=str)
def test_no_file_is_longer_than_can_be_read_in_one_go(module: Module) -> None:
    assert len(module.path.read_text("utf-8").splitlines()) <= MOST_LINES


def test_every_file_has_a_noun_for_a_name() -> None:
    assert [m.name for m in modules() if set(re.split(r"[._]+", m.name)) & VAGUE] == []


@pytest.mark.parametrize("module", modules(), ids=str)
def test_every_file_says_what_it_is_for(module: Module) -> None:
    assert ast.get_docstring(module.tree)


def test_no_failure_is_swallowed() -> None:
    swallowed = []
    for module in modules():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            idle = all(isinstance(step, ast.Pass | ast.Continue) or _is_ellipsis(step) for step in node.body)
            if node.type is None or (broad and idle):
                swallowed.append(f"{module}:{node.lineno}")
    suppressed = [
        f"{module}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and _called(node) == "suppress"
        and {ast.unparse(argument) for argument in node.args} & {"Exception", "BaseException"}
    ]
    assert swallowed + suppressed == []


def _is_ellipsis(step: ast.stmt) -> bool:
    return isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant)
