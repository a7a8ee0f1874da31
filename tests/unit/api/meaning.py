"""What an OpenAPI document says to a client, without its wording: two documents that mean the same distil alike."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
_WORDING = frozenset({"description", "summary", "title", "examples", "example"})


def distil(document: Json) -> dict[str, Json]:
    """`GET /path` -> parameters, bodies, answers, security; `/alias` -> where it refers to; `securitySchemes`."""
    found: dict[str, Json] = {"securitySchemes": _worded_out(document["components"]["securitySchemes"])}
    for path, item in document["paths"].items():
        if "$ref" in item:
            found[path] = item
            continue
        for method, operation in item.items():
            found[f"{method.upper()} {path}"] = _operation(document, operation)
    return found


def _operation(document: Json, operation: Json) -> Json:
    parameters = {
        f"{parameter['in']} {parameter['name']}": {
            "required": parameter.get("required", False),
            "schema": schema(document, parameter["schema"]),
        }
        for parameter in operation.get("parameters", [])
    }
    body = operation.get("requestBody")
    return {
        "operationId": operation["operationId"],
        "tags": operation.get("tags", []),
        "security": operation.get("security", []),
        "parameters": parameters,
        "request": body and {"required": body.get("required", False), "content": _content(document, body)},
        "responses": {code: _response(document, said) for code, said in operation["responses"].items()},
    }


def _response(document: Json, response: Json) -> Json:
    response = _resolved(document, response)
    headers = {name: schema(document, header["schema"]) for name, header in response.get("headers", {}).items()}
    return {"headers": headers, "content": _content(document, response), "links": response.get("links", {})}


def _content(document: Json, holder: Json) -> Json:
    return {media: schema(document, said.get("schema", {})) for media, said in holder.get("content", {}).items()}


def schema(document: Json, said: Json) -> Json:
    """References resolved, `allOf` merged, a choice of plain types written as a list of types, fields in order."""
    said = _resolved(document, said)
    merged: Json = {}
    for part in [schema(document, part) for part in said.get("allOf", [])]:
        _merge(merged, part)
    own = {key: value for key, value in said.items() if key not in _WORDING | {"allOf", "anyOf"}}
    if own.get("default", "") is None:
        del own["default"]
    if "const" in own and isinstance(own.get("const"), str):
        own = {"type": "string", **own}
    if "type" in own:
        own["type"] = sorted([own["type"]] if isinstance(own["type"], str) else own["type"])
    if "enum" in own:
        own["enum"] = sorted(own["enum"])
    if "pattern" in own:
        own["pattern"] = _pattern(own["pattern"])
    if "properties" in own:
        own["properties"] = {name: schema(document, own["properties"][name]) for name in sorted(own["properties"])}
    own["required"] = sorted(own.get("required", []))
    for inner in ("items", "additionalProperties"):
        if isinstance(own.get(inner), dict):
            own[inner] = schema(document, own[inner])
    _merge(merged, {key: value for key, value in own.items() if value != []})
    branches = [schema(document, branch) for branch in said.get("anyOf", [])]
    if branches and all("type" in branch for branch in branches):
        for branch in branches:
            _merge(merged, branch)
    elif branches:
        merged["anyOf"] = sorted(branches, key=str)
    return merged


def _merge(into: Json, part: Json) -> None:
    for key, value in part.items():
        if key in ("type", "required") and key in into:
            into[key] = sorted({*into[key], *value})
        elif key == "properties" and key in into:
            into[key] = dict(sorted({**into[key], **value}.items()))
        else:
            assert into.get(key, value) == value, f"{key}: {into[key]!r} and {value!r} cannot be written as one"
            into[key] = value


def _pattern(text: str) -> str:
    r"""`\x21` and `!`, `(?:` and `(` are the same to a reader."""
    return text.replace(r"\x20", " ").replace(r"\x21", "!").replace(r"\x7e", "~").replace("(?:", "(")


def _resolved(document: Json, said: Json) -> Json:
    if "$ref" not in said:
        return said
    target: Any = document
    for step in said["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    beside = {key: value for key, value in said.items() if key != "$ref"}
    return {**_resolved(document, target), **beside}


def _worded_out(schemes: Json) -> Json:
    return {name: {key: value for key, value in said.items() if key not in _WORDING} for name, said in schemes.items()}
