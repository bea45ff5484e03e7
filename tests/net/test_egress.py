import base64
import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import ConfigError
from agentstream.net.addresses import Address, unwrapped
from agentstream.net.egress import (
    HTTP_SCHEMES,
    STREAM_SCHEMES,
    AddressClass,
    Egress,
    EgressError,
    EgressPolicy,
    check_entry,
    classify,
    mask_secrets,
    mask_url,
    parse_url,
)


class Book:
    """A resolver that knows what it was given."""

    def __init__(self, **names: tuple[str, ...]) -> None:
        self._names = {name.replace("_", "."): found for name, found in names.items()}

    async def lookup(self, host: str) -> tuple[str, ...]:
        return self._names.get(host, (host,))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("8.8.8.8", AddressClass.GLOBAL),
        ("2606:4700::1", AddressClass.GLOBAL),
        ("127.8.0.1", AddressClass.LOOPBACK),
        ("::1", AddressClass.LOOPBACK),
        ("::ffff:127.0.0.1", AddressClass.LOOPBACK),
        ("64:ff9b::7f00:1", AddressClass.LOOPBACK),
        ("2002:7f00:1::", AddressClass.LOOPBACK),
        ("10.1.2.3", AddressClass.PRIVATE),
        ("172.16.0.1", AddressClass.PRIVATE),
        ("192.168.1.1", AddressClass.PRIVATE),
        ("100.64.0.1", AddressClass.PRIVATE),
        ("fd00::1", AddressClass.PRIVATE),
        ("169.254.1.1", AddressClass.LINK_LOCAL),
        ("fe80::1", AddressClass.LINK_LOCAL),
        ("169.254.169.254", AddressClass.METADATA),
        ("::ffff:169.254.169.254", AddressClass.METADATA),
        ("fd00:ec2::254", AddressClass.METADATA),
        ("100.100.100.200", AddressClass.METADATA),
        ("168.63.129.16", AddressClass.METADATA),
        ("0.0.0.0", AddressClass.OTHER),
        ("224.0.0.1", AddressClass.OTHER),
        ("255.255.255.255", AddressClass.OTHER),
        ("0.1.2.3", AddressClass.OTHER),
        ("192.88.99.1", AddressClass.OTHER),
        ("192.0.2.1", AddressClass.PRIVATE),
        ("198.18.0.1", AddressClass.PRIVATE),
        ("169.254.170.23", AddressClass.METADATA),
        ("fd00:ec2::23", AddressClass.METADATA),
        ("fd00:ec2::254%eth0", AddressClass.METADATA),  # a zone makes it equal to no other
        ("64:ff9b::a9fe:a9fe", AddressClass.METADATA),
        ("2002:a9fe:a9fe::1", AddressClass.METADATA),
        ("64:ff9b:1::a00:1", AddressClass.OTHER),
        ("2001:0:1:2::1", AddressClass.OTHER),
        ("::7f00:1", AddressClass.OTHER),
        ("::", AddressClass.OTHER),
        ("fec0::1", AddressClass.PRIVATE),
        ("2001:db8::1", AddressClass.PRIVATE),
        ("3fff::1", AddressClass.PRIVATE),
        ("ff02::1", AddressClass.OTHER),
    ],
)
def test_every_address_has_its_class(text: str, kind: AddressClass) -> None:
    assert classify(ipaddress.ip_address(text)) is kind


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "8.8.8.8", "::1"])
async def test_an_open_house_reaches_bots_at_home_and_abroad(address: str) -> None:
    egress = Egress(EgressPolicy(), Book(bot_example=(address,)))
    pinned = await egress.resolve("ws://bot.example:8765/ws")  # AS-10
    assert pinned.host == "bot.example"
    assert pinned.addresses == ((f"[{address}]" if ":" in address else address) + ":8765",)
    assert not pinned.secure


@pytest.mark.parametrize("mode", ["open", "closed"])
@pytest.mark.parametrize("address", ["169.254.169.254", "169.254.3.4", "fe80::1", "0.0.0.0", "::"])
async def test_no_policy_reaches_metadata_or_link_local_by_itself(mode: str, address: str) -> None:
    policy = EgressPolicy(mode="open" if mode == "open" else "closed", allow=("bot.example",))
    egress = Egress(policy, Book(bot_example=(address,)))
    with pytest.raises(EgressError, match=r"bot\.example is at .*does not allow"):
        await egress.resolve("wss://bot.example/ws")


async def test_a_closed_house_reaches_only_public_addresses() -> None:
    egress = Egress(EgressPolicy("closed"), Book(bot_example=("10.0.0.9", "8.8.8.8", "127.0.0.1")))
    pinned = await egress.resolve("wss://bot.example/ws")
    assert pinned.addresses == ("8.8.8.8:443",)  # the decision is on each address


@pytest.mark.parametrize(
    ("allow", "passes"),
    [
        (("10.0.0.0/8",), True),
        (("10.0.0.9",), True),
        (("bot.example",), True),
        (("*.example",), True),
        (("example",), False),
        (("*.bot.example",), False),
        (("11.0.0.0/8",), False),
    ],
)
async def test_an_account_may_be_allowed_more(allow: tuple[str, ...], passes: bool) -> None:
    egress = Egress(EgressPolicy("closed"), Book(bot_example=("10.0.0.9",)))
    if passes:
        assert (await egress.resolve("wss://bot.example/", allow)).addresses == ("10.0.0.9:443",)
    else:
        with pytest.raises(EgressError):
            await egress.resolve("wss://bot.example/", allow)


async def test_an_address_in_the_list_opens_even_what_a_name_cannot() -> None:
    egress = Egress(EgressPolicy(), Book(bot_example=("169.254.169.254",)))
    pinned = await egress.resolve("http://bot.example/", ("169.254.169.254/32",))
    assert pinned.addresses == ("169.254.169.254:80",)


@pytest.mark.parametrize(
    ("allow", "passes"),
    [
        ("0.0.0.0/0", False),
        ("169.254.0.0/16", False),
        ("169.254.169.254", True),
        ("bot.example", False),
        ("::ffff:169.254.169.254/128", True),
    ],
)
@pytest.mark.parametrize("mode", ["open", "closed"])
async def test_cloud_metadata_needs_an_entry_of_its_own(
    mode: str, allow: str, passes: bool
) -> None:
    policy = EgressPolicy(mode="open" if mode == "open" else "closed", allow=(allow,))
    address = "::ffff:169.254.169.254" if ":" in allow else "169.254.169.254"
    egress = Egress(policy, Book(bot_example=(address,)))
    if passes:
        assert (await egress.resolve("http://bot.example/")).host == "bot.example"
    else:
        with pytest.raises(EgressError, match=r"169\.254\.169\.254 \(metadata\)|\(metadata\)"):
            await egress.resolve("http://bot.example/")


async def test_a_whole_network_opens_link_local_but_never_its_metadata() -> None:
    egress = Egress(EgressPolicy(), Book(a_example=("169.254.9.9", "169.254.169.254")))
    pinned = await egress.resolve("ws://a.example/", ("169.254.0.0/16",))
    assert pinned.addresses == ("169.254.9.9:80",)


async def test_an_address_from_the_resolver_is_judged_without_its_zone() -> None:
    egress = Egress(EgressPolicy(), Book(a_example=("fd00:ec2::254%eth0", "fd00::9%eth0")))
    assert (await egress.resolve("ws://a.example/")).addresses == ("[fd00::9]:80",)


async def test_a_name_that_answers_differently_the_second_time_gains_nothing() -> None:
    class Rebinding:
        def __init__(self) -> None:
            self.answers = [("8.8.8.8",), ("127.0.0.1",), ("169.254.169.254",)]

        async def lookup(self, host: str) -> tuple[str, ...]:
            return self.answers.pop(0)

    egress = Egress(EgressPolicy("closed"), Rebinding())
    assert (await egress.resolve("wss://evil.example/")).addresses == ("8.8.8.8:443",)
    for address in ("127.0.0.1", "169.254.169.254"):
        with pytest.raises(EgressError, match=address):
            await egress.resolve("wss://evil.example/")


@pytest.mark.parametrize("deny", ["8.8.8.0/24", "bot.example", "*.example"])
async def test_what_is_denied_stays_denied(deny: str) -> None:
    policy = EgressPolicy(deny=(deny,), allow=("bot.example", "8.8.8.8"))
    egress = Egress(policy, Book(bot_example=("8.8.8.8",)))
    with pytest.raises(EgressError, match="does not allow it"):
        await egress.resolve("wss://bot.example/", ("8.8.8.8",))


@pytest.mark.parametrize(
    ("policy", "port", "passes"),
    [
        (EgressPolicy("open"), 22, True),
        (EgressPolicy("closed"), 22, False),
        (EgressPolicy("closed"), 443, True),
        (EgressPolicy("closed"), 8443, True),
        (EgressPolicy("open", ports=((443, 443),)), 8443, False),
        (EgressPolicy("open"), 0, False),
    ],
)
async def test_ports_are_policy_too(policy: EgressPolicy, port: int, passes: bool) -> None:
    egress = Egress(policy, Book())
    if passes:
        assert (await egress.resolve(f"ws://8.8.8.8:{port}/")).port == port
    else:
        with pytest.raises(EgressError, match=f"port {port}"):
            await egress.resolve(f"ws://8.8.8.8:{port}/")


def test_the_query_stays_on_the_request_line_as_it_was() -> None:
    target = parse_url("wss://Bots.Example.net/r/%41?sample-rate=16000&b=%20+x&a=1#frag")
    assert target.target == "/r/%41?sample-rate=16000&b=%20+x&a=1"  # AS-20
    assert (target.host, target.port, target.host_header) == (
        "bots.example.net",
        443,
        "bots.example.net",
    )


def test_credentials_leave_the_url_decoded_and_as_a_header() -> None:
    target = parse_url("wss://us%40er:p%3Ass@h.example:8443/x")  # AS-35
    assert target.authorization == "Basic " + base64.b64encode(b"us@er:p:ss").decode()
    assert target.url() == "wss://h.example:8443/x"
    assert "p:ss" not in repr(target)
    assert parse_url("wss://h.example").authorization is None
    assert parse_url("wss://h.example").target == "/"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://h/x", "must begin with"),
        ("bots.example.net/ws", "must begin with"),
        ("wss://", "names no host"),
        ("wss:///path", "names no host"),
        ("wss://h:99999/", "not a URL"),
        ("wss://[::1/", "not a URL"),
        ("wss://h/\nx", "not a URL"),
        ("wss://h\\@evil/", "not a URL"),
        ("wss://a b/", "not a URL"),
        ("wss://a..b/", "not a URL"),
        ("wss://-a/", "not a URL"),
        ("wss://h/" + "x" * 5000, "not a URL"),
        ("wss://[fe80::1%25eth0]/", "not a URL"),
        ("wss://[fd00:ec2::254%eth0]/", "not a URL"),
        ("wss://[::1]x/", "not a URL"),
        ("wss://[::1]x:80/", "not a URL"),
        ("wss://x[::1]/", "not a URL"),
        ("wss://x[::1]:80/", "not a URL"),
        ("wss://h:1:2/", "not a URL"),
        ("wss://h:-1/", "not a URL"),
        ("wss://h:\uff18\uff10/", "not a URL"),
        ("wss://h%2eexample/", "not a URL"),
        ("wss://a.example\u2100x/", "not a URL"),
        ("wss://./", "names no host"),
        ("wss://user@/", "names no host"),
    ],
)
def test_what_is_no_url_is_refused_in_words(url: str, says: str) -> None:
    with pytest.raises(EgressError, match=says):
        parse_url(url)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://good.example@evil.example/", "evil.example"),
        ("http://good.example:80@evil.example/", "evil.example"),
        ("http://a@good.example@evil.example/", "evil.example"),
        ("http://evil.example/@good.example", "evil.example"),
        ("http://evil.example?@good.example/", "evil.example"),
        ("http://evil.example#@good.example/", "evil.example"),
        ("http://good.example%40evil.example@last.example/", "last.example"),
        ("http://LOCALHOST./", "localhost"),
        ("http://localhost../", "localhost"),
        ("http://localhost\u3002/", "localhost"),  # an ideographic full stop
        ("http://\uff11\uff12\uff17\u3002\uff10\uff0e\uff10.1/", "127.0.0.1"),
        ("http://\u24d4xample.com/", "example.com"),
        ("http://127.0.0.1./", "127.0.0.1"),
        ("http://[0:0:0:0:0:FFFF:7F00:0001]/", "::ffff:7f00:1"),
    ],
)
def test_the_host_is_the_one_that_is_connected_to(url: str, host: str) -> None:
    target = parse_url(url)
    assert (
        ipaddress.ip_address(target.host) == ipaddress.ip_address(host)
        if ":" in host
        else (target.host == host)
    )
    assert urlsplit(target.url()).hostname == target.host  # what the HTTP client will read


@given(st.ip_addresses(v=4), st.data())
def test_odd_spellings_of_an_address_are_refused_or_mean_it(
    address: ipaddress.IPv4Address, data: st.DataObject
) -> None:
    number, parts = int(address), address.packed
    spellings = [
        str(number),
        hex(number),
        oct(number).replace("o", ""),
        ".".join(map(hex, parts)),
        ".".join(f"0{part:o}" for part in parts),
        ".".join(f"{part:03d}" for part in parts),
        f"{parts[0]}.{number & 0xFFFFFF}",
        f"{parts[0]}.{parts[1]}.{number & 0xFFFF}",
        f"{address}.",
        str(address),
        f"[::ffff:{address}]",
        f"0x.{address}",
    ]
    spelling = data.draw(st.sampled_from(spellings))
    try:
        host = parse_url(f"http://{spelling}/").host
    except EgressError:
        assert spelling not in {str(address), f"{address}."}
        return
    meant = ipaddress.ip_address(host)
    assert getattr(meant, "ipv4_mapped", None) in (address, None)
    assert isinstance(meant, ipaddress.IPv6Address) or meant == address


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_has_the_same_class_however_it_is_wrapped(
    address: ipaddress.IPv4Address,
) -> None:
    number = int(address)
    for wrapped in (
        0xFFFF << 32 | number,  # mapped
        0x64_FF9B << 96 | number,  # NAT64
        0x2002 << 112 | number << 80 | 0xABCD,  # 6to4
    ):
        assert classify(ipaddress.IPv6Address(wrapped)) is classify(address)


SPECIAL = st.sampled_from(
    [
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2002::/16"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "2000::/3", "8.0.0.0/8"),
    ]
).flatmap(lambda net: st.ip_addresses(network=net))


@given(st.ip_addresses() | SPECIAL)
def test_what_is_global_here_is_global_to_the_standard_library(address: Address) -> None:
    inner = unwrapped(address)
    if classify(address) is AddressClass.GLOBAL:
        assert inner.is_global
        kinds = "private loopback link_local multicast reserved unspecified site_local"
        assert not [kind for kind in kinds.split() if getattr(inner, f"is_{kind}", False)]


@given(st.ip_addresses() | SPECIAL)
async def test_a_closed_house_reaches_nothing_that_is_not_global(address: Address) -> None:
    egress = Egress(EgressPolicy("closed"), Book(bot_example=(str(address),)))
    try:
        pinned = await egress.resolve("wss://bot.example/ws")
    except EgressError:
        assert classify(address) is not AddressClass.GLOBAL
        return
    assert classify(address) is AddressClass.GLOBAL
    assert pinned.addresses == (f"[{address}]:443" if address.version == 6 else f"{address}:443",)


def test_only_the_schemes_asked_for_pass() -> None:
    assert parse_url("https://h/", HTTP_SCHEMES).secure
    with pytest.raises(EgressError, match=r"ws:// or wss://"):
        parse_url("https://h/", STREAM_SCHEMES)


def test_a_name_in_another_script_becomes_its_ascii_form() -> None:
    assert parse_url("wss://bücher.example/").host == "xn--bcher-kva.example"
    assert parse_url("wss://[2001:DB8::1]:9/").host_header == "[2001:db8::1]:9"


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_an_egress_error(text: str) -> None:
    for url in (text, f"wss://{text}"):
        try:
            target = parse_url(url)
        except EgressError:
            continue
        assert target.host
        assert 0 <= target.port <= 65535


@given(st.text(st.characters(exclude_characters="/?#", exclude_categories=["Z", "C"]), min_size=1))
def test_a_masked_url_shows_no_password(secret: str) -> None:
    assert mask_url(f"see wss://user:{secret}@h.example/x?y=z now") == (
        "see wss://***@h.example/x?y=z now"
    )


def test_errors_show_no_password() -> None:
    for url in (
        "ftp://user:hunter2@h/",
        "wss:/user:hunter2@h/",
        "user:hunter2@h/path",
        "wss://user:hunter2/x@h/",
        "wss://user:hunter2#x@h:1:2/",
        "wss://user:hunter2?x@h/",
        "wss://user:hunter2 @h/",
        "user:hunter2@h://x",
    ):
        with pytest.raises(EgressError) as caught:
            parse_url(url)
        assert "hunter2" not in str(caught.value), url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://crm.example/x?key=a1&b=c", "https://crm.example/x?key=***&b=c"),
        ("https://x.example/?a=b&access_token=t.t#f", "https://x.example/?a=b&access_token=***#f"),
        (
            "wss://me:pw@x.example/?X-Amz-Signature=ab&c",
            "wss://***@x.example/?X-Amz-Signature=***&c",
        ),
        (
            "https://x.example/?PASSWORD=p&keyword=lamp",
            "https://x.example/?PASSWORD=***&keyword=lamp",
        ),
        ("no address: key=a1", "no address: key=a1"),
        ("https://x.example/key=a1", "https://x.example/key=a1"),
    ],
)
def test_parameters_that_are_secrets_by_their_name_can_be_hidden(text: str, shown: str) -> None:
    assert mask_secrets(text) == shown


@pytest.mark.parametrize("entry", ["bots.example.net", "*.example.net", "10.0.0.0/8", "::1"])
def test_a_list_entry_is_a_name_or_a_network(entry: str) -> None:
    assert check_entry(entry) == entry


@pytest.mark.parametrize("entry", ["", "a b", "http://x", "10.0.0.0/99", "*"])
def test_a_list_entry_that_means_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ConfigError, match="no host name"):
        check_entry(entry)
