"""The client and the server agree on trunks, over the application itself (TR-30 to TR-72)."""

from typing import Any

import httpx
import pytest

from agentstream.client import (
    DESTINATIONS,
    NETWORKS,
    NUMBERS,
    SETTINGS,
    USERS,
    AddDestinations,
    AddUser,
    AllowNetwork,
    AsyncClient,
    ChangeNumberMode,
    ChangePassword,
    ChangeTrunk,
    CreateTrunk,
    DeleteTrunk,
    Destination,
    DropFromTrunk,
    FindNumber,
    ListOnTrunk,
    ListTrunks,
    MapNumber,
    ReadTrunk,
    RefusedError,
    ReplaceDestinations,
    SetOnTrunk,
)

NUMBER = "+918000000042"


@pytest.fixture
async def client(site: Any) -> Any:
    key = site.key
    transport = httpx.ASGITransport(site.app)
    async with AsyncClient("http://house", "GreenLeaf1", key.key, key.token, transport) as made:
        yield made


async def test_a_trunk_lives_and_goes(client: AsyncClient) -> None:
    trunk = await client.ask(CreateTrunk("bot", "greenleaf1.pstn.exotel.com"))
    assert await client.ask(ReadTrunk(trunk.sid)) == trunk
    number = await client.ask(MapNumber(trunk.sid, NUMBER))
    flow = await client.ask(ChangeNumberMode(trunk.sid, number.id, NUMBER, "flow"))
    assert await client.ask(FindNumber(NUMBER)) == flow
    network = await client.ask(AllowNetwork(trunk_sid=trunk.sid, ip="203.0.113.0", mask=24))
    user = await client.ask(AddUser(trunk_sid=trunk.sid, user="bot", password="s3cret"))
    await client.ask(ChangePassword(trunk_sid=trunk.sid, id=user.id, password="other"))
    places = (Destination("a.acme.test", 1, 5), Destination("nowhere.test"))
    first, second = await client.ask(AddDestinations(trunk.sid, places))
    assert first.value is not None
    assert (first.value.uri, second.error) == (
        "sip:a.acme.test",
        "Destination is not a valid Ip or Fqdn",
    )
    [place] = await client.ask(ReplaceDestinations(trunk.sid, (Destination("b.acme.test"),)))
    [setting] = await client.ask(SetOnTrunk(trunk.sid, {"as_cps": "5"}))
    assert place.value is not None
    assert setting.value is not None
    for kind, made, name in (
        (NUMBERS, flow, flow.id),
        (NETWORKS, network, network.id),
        (USERS, user, user.id),
        (DESTINATIONS, place.value, place.value.id),
        (SETTINGS, setting.value, "as_cps"),
    ):
        page = await client.ask(ListOnTrunk[Any](trunk.sid, kind))
        assert (page.items, page.total, page.has_more) == ((made,), 1, False)
        assert await client.ask(DropFromTrunk[Any](trunk.sid, kind, name)) == made
    changed = await client.ask(ChangeTrunk(sid=trunk.sid, name="new", is_secure=True))
    assert (changed.name, changed.is_secure, changed.is_active) == ("new", True, True)
    with pytest.raises(RefusedError, match="Unable to create trunk with name new") as refused:
        await client.ask(CreateTrunk("new", "greenleaf1.pstn.exotel.com"))
    assert refused.value.status == 409
    assert (await client.ask(ListTrunks())).items == (changed,)
    assert await client.ask(DeleteTrunk(trunk.sid)) == changed
    assert (await client.ask(ListTrunks())).total == 0
