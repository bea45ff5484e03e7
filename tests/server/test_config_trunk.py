"""One switch and the settings that it stands for (SD-3, TR-38, TR-59, TR-62, TR-66, TR-67)."""

import pytest
from pydantic import ValidationError

from agentstream.server.config import Config
from agentstream.server.trunk_door import open_trunks
from agentstream.store.trunk_rules import TrunkRules
from agentstream.testing.memory_store import MemoryStore


class Nobody:
    async def lookup(self, host: str) -> tuple[str, ...]:
        raise AssertionError(host)


def rules(**sections: object) -> TrunkRules:
    return open_trunks(Config.model_validate(sections), MemoryStore(), Nobody()).rules


def test_as_shipped_what_self_hosted_servers_need_is_taken() -> None:
    assert rules() == TrunkRules()


def test_strict_stands_for_every_refusal_of_the_hosted_service_sd_3() -> None:
    assert rules(compat={"mode": "strict"}) == TrunkRules(
        is_strict=True,
        domain_suffixes=("pstn.exotel.com",),
        credential_charset="strict",
        takes_ipv6=False,
        takes_udp=False,
        needs_acl_for_ip=True,
        own_numbers_only=True,
    )
    door = open_trunks(
        Config.model_validate({"compat": {"mode": "strict"}}), MemoryStore(), Nobody()
    )
    assert (door.duplicate_status, door.unknown_status) == (200, 403)


def test_a_single_setting_says_otherwise_than_the_switch_sd_3() -> None:
    single = {
        "credential_charset": "printable",
        "allow_udp": "true",
        "domain_suffixes": ".pstn.voice.example.net",
        "acl_mask_min": 24,
        "region": "blr",
    }
    found = rules(compat={"mode": "strict"}, trunk=single)
    assert (found.credential_charset, found.takes_udp) == ("printable", True)
    assert found.domain_suffixes == ("pstn.voice.example.net",)
    assert (found.acl_mask_low, found.region, found.needs_acl_for_ip) == (24, "blr", True)


@pytest.mark.parametrize(
    "section", [{"region": "dev1"}, {"acl_mask_min": 4}, {"credential_charset": "any"}, {"udp": 1}]
)
def test_what_is_no_setting_is_refused(section: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="trunk"):
        Config.model_validate({"trunk": section})


def test_strict_offers_pcma_first_unless_codecs_are_named_sip_14() -> None:
    strict = {"mode": "strict"}
    assert Config.model_validate({"compat": strict}).codecs() == ("PCMA", "PCMU")
    named = Config.model_validate({"compat": strict, "rtp": {"codecs": "PCMU,G722"}})
    assert named.codecs() == ("PCMU", "G722")
    assert Config().codecs() == ("PCMU", "PCMA", "G722")
