"""/openapi.json is valid and true, and /docs needs no other host (OC-8)."""

import re
from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from agentstream.testing.records import a_call

FORM = {"From": "09876500001", "To": "09876500002", "CallerId": "08040000002"}


async def test_the_document_is_valid_openapi_3_1(site: Any) -> None:
    document = (await site.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    validate(document)
    connect = document["paths"]["/v1/accounts/{account_sid}/calls/connect"]["post"]
    content = connect["requestBody"]["content"]["application/x-www-form-urlencoded"]
    assert content["schema"]["properties"]["TimeLimit"]["maximum"] == 14_400
    assert "422" not in connect["responses"]
    assert connect["summary"] == "Place a call: two numbers, a flow, or a bot"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert len(operation["tags"]) == 1, path
            assert len(operation["summary"]) > 5, path


async def test_answers_are_what_the_document_says(site: Any) -> None:
    document = (await site.client.get("/openapi.json")).json()
    row = a_call("c1", account_sid="GreenLeaf1", custom_field="order-5531")
    await site.store.calls.write([row])
    asked = [
        ("post", "calls/connect", "Calls/connect?details=true", {"data": FORM}, 200),
        ("get", "calls/{call_sid}", "Calls/c1?details=true", {}, 200),
        ("get", "calls", "Calls", {}, 200),
        ("post", "calls/connect", "Calls/connect", {}, "default"),
        ("get", "calls/{call_sid}", "Calls/none", {}, "default"),
    ]
    for method, path, url, body, status in asked:
        operation = document["paths"][f"/v1/accounts/{{account_sid}}/{path}"][method]
        content = operation["responses"][str(status)]["content"]["application/json"]
        schema = {**content["schema"], "components": document["components"]}
        answer = await site.ask(method.upper(), url, **body)
        Draft202012Validator(schema).validate(answer.json())
        assert answer.status_code == 200 if status == 200 else answer.status_code >= 400


async def test_the_page_and_its_scripts_come_from_here(site: Any) -> None:
    page = await site.client.get("/docs")
    assert page.status_code == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(sources) == 3
    for source in sources:
        assert source.startswith("/docs/files/")
        assert (await site.client.get(source)).status_code == 200
    assert "://" not in page.text
