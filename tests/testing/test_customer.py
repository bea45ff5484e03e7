"""The customer's server double, asked by a real HTTP client."""

import httpx

from agentstream.testing.customer import Asked, Reply, customer


async def test_it_keeps_what_it_was_asked_and_answers_what_was_set() -> None:
    async with customer(after=Reply(302, headers=(("Location", "/b"),))) as shop:
        shop.answers["/form"] = lambda asked: Reply(200, asked.form["digits"], "text/html")
        async with httpx.AsyncClient() as http:
            moved = await http.get(shop.url("/after?key=1&Stream%5BStatus%5D=completed"))
            form = await http.post(shop.url("/form"), data={"digits": '"12"'})
            unknown = await http.get(shop.url("/nowhere"))
    assert (moved.status_code, moved.headers["location"]) == (302, "/b")
    assert (form.status_code, form.text) == (200, '"12"')
    assert form.headers["content-type"] == "text/html"
    assert unknown.status_code == 404
    assert shop.asked("/after")[0].query == {"key": "1", "Stream[Status]": "completed"}
    assert [asked.method for asked in shop.requests] == ["GET", "POST", "GET"]


async def test_an_answer_may_take_its_time() -> None:
    async def slow(asked: Asked) -> Reply:
        return Reply(200, asked.headers["x-name"], delay_ms=20)

    async with customer(slow=slow) as shop, httpx.AsyncClient() as http:
        answer = await http.get(shop.url("/slow"), headers={"X-Name": "green"})
        assert answer.text == "green"
        assert (await shop.until_asked("/slow")).headers["x-name"] == "green"
