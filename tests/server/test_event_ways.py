"""How events can go, as the configuration says (LD-1, LD-3, LD-6, LD-10)."""

import builtins
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agentstream.base.clock import SystemClock
from agentstream.base.errors import ConfigError
from agentstream.base.ids import AccountSid
from agentstream.hooks.event_transport import EventPost
from agentstream.net.dns import Resolver
from agentstream.net.egress import Egress, EgressPolicy
from agentstream.net.http_client import HttpClient
from agentstream.net.leg_events_v1 import METHOD
from agentstream.server.config import Config
from agentstream.server.config_legs import LegsConfig
from agentstream.server.event_ways import EventWays
from agentstream.switch import leg_style
from agentstream.testing.grpc_receiver import grpc_receiver

ACME = AccountSid("Acme7")


def ways(**legs: Any) -> EventWays:
    clock = SystemClock()
    web = HttpClient(Egress(EgressPolicy(), Resolver(), clock))
    return EventWays(Config.model_validate({"legs": legs}), web, lambda _: (), clock)


def post(endpoint: str) -> EventPost:
    return EventPost(
        endpoint=endpoint,
        account_sid=ACME,
        event_sid="ev1",
        body='{"event_sid":"ev1","data":{"leg_sid":"leg1"}}',
        number=1,
        at=datetime(2027, 1, 12, tzinfo=UTC),
    )


async def test_grpc_is_loaded_by_the_first_event_that_goes_there() -> None:
    made = ways(grpc={"method": "/acme.Calls/Told"})
    assert made.counts() == {"sockets": 0, "channels": 0, "opened": 0, "refused": 0}
    async with grpc_receiver() as receiver:
        assert not (await made.send(post(receiver.url()))).error
        assert made.counts()["channels"] == 1
        await made.stop()
    assert receiver.methods == ["/acme.Calls/Told"]


async def test_without_its_library_the_extra_is_named(monkeypatch: Any) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("agentstream.hooks.event_grpc"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    outcome = await ways().send(post("grpc://127.0.0.1:9001"))
    assert outcome.is_final
    assert outcome.error == "grpc:// needs grpcio: pip install 'agentstream[grpc]'"


def test_files_that_cannot_be_used_are_told_at_the_start_ld_3_ld_6(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    with pytest.raises(ConfigError, match="No such file"):
        ways(grpc={"certificate": missing, "key": missing})
    with pytest.raises(ConfigError, match="No such file"):
        ways(grpc={"descriptor": missing, "mapping": {"id": "event_sid"}})


def test_as_shipped_events_go_as_the_dossier_says_ld_3_ld_10() -> None:
    wanted = LegsConfig()
    assert (wanted.grpc.method, wanted.grpc.cleartext_hosts) == (METHOD, ())
    assert METHOD == "/agentstream.legs.v1.LegEvents/TriggerCallbackEvent"
    assert (wanted.fallback(ACME), wanted.socket_hold_ms) == ("", 30_000)
    assert wanted.settings().has_grpc


def test_an_account_has_a_fallback_of_its_own_or_the_one_of_all_ld_10() -> None:
    wanted = LegsConfig.model_validate(
        {
            "fallback_endpoint": "https://all.example.test/",
            "fallback_endpoints": {"acme7": "grpc://acme.example.test"},
        }
    )
    assert wanted.fallback(ACME) == "grpc://acme.example.test"
    assert wanted.fallback(AccountSid("other")) == "https://all.example.test/"


def test_the_secrets_of_a_fallback_are_not_shown() -> None:
    url = "https://u:secret@hooks.example.test/?token=secret"
    legs = {"fallback_endpoint": url, "fallback_endpoints": {"acme7": url}}
    shown = Config.model_validate({"legs": legs}).shown()
    assert "secret" not in str(shown["legs"]["fallback_endpoint"])
    assert "secret" not in str(shown["legs"]["fallback_endpoints"])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"fallback_endpoint": "ftp://x.test"}, "the fallback endpoint is no address of https"),
        ({"fallback_endpoints": {"a": leg_style.SOCKET}}, "the fallback endpoint must be an addr"),
        ({"grpc": {"method": "Told"}}, "String should match pattern"),
        ({"grpc": {"cleartext_hosts": "a b"}}, "is no host name"),
        ({"grpc": {"certificate": "a.crt"}}, "certificate and key belong together"),
        ({"grpc": {"mapping": {"id": "event_sid"}}}, "descriptor and mapping belong together"),
        ({"grpc": {"channels": 0}}, "greater than or equal to 1"),
        ({"socket_hold_ms": 60_001}, "less than or equal to 60000"),
    ],
)
def test_a_mistake_is_named(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        LegsConfig.model_validate(values)
