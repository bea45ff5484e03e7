"""From the fields of a verb, whichever shape they came in, to its value."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal, NoReturn, cast
from urllib.parse import quote

from agentstream.base.ids import LegSid, StreamSid
from agentstream.calls.commands import DEFAULT_TONE, AudioFile, AudioKind, Speech
from agentstream.calls.events import MonitorMode
from agentstream.calls.storage import CustomerStorage
from agentstream.flows.context import DIGITS_LIMIT
from agentstream.flows.given import MISSING, Given, plain
from agentstream.flows.legs.formats import stream_format
from agentstream.flows.legs.verbs import (
    Answer,
    Dial,
    Direction,
    Gather,
    Hangup,
    Hold,
    JoinBridge,
    LeaveBridge,
    Message,
    Mute,
    PlaySequence,
    PromptVerb,
    SendDigits,
    StartMonitoring,
    StartPlay,
    StartRecording,
    StartSay,
    StartStream,
    StopMonitoring,
    StopPlay,
    StopRecording,
    StopSay,
    StopStream,
    Transfer,
    UnHold,
    UnMute,
    Verb,
)
from agentstream.flows.prompt import AUDIO_CHARS, LANGUAGE, TEXT_CHARS, WEB

STREAM_URL_CHARS: Final = 600  # AS-11
SID_CHARS: Final = 64  # LG-12
ADDRESS_CHARS: Final = 512
CUSTOM_CHARS: Final = 1024  # LG-39
LOOPS: Final = 10  # EX-40
LOWEST_LOOP: Final = -1_000_000
SEQUENCE_LIMIT: Final = 32
MESSAGE_S: Final = 3_600  # the longest message, as XR-13 has it
DIGITS: Final = frozenset("0123456789*#ABCD")
DIGITS_AT_ONCE: Final = 64
KEYS: Final = frozenset("0123456789*#")
DIRECTIONS: Final = ("in", "out", "both")
MODES: Final = ("listen", "whisper", "barge")
REGION: Final = re.compile("[a-z0-9-]*")
PROMPTS: Final = ("StartPlay", "Play", "StartSay", "Say")
STORAGE_URL_CHARS: Final = 2_048
SECRET_CHARS: Final = 1_024
VOICEMAIL: Final = ("silenceInSec", "finishOnKey", "timeoutInSec", "playBeep")
BUILTIN_SOUNDS: Final = MappingProxyType({"default_tone": DEFAULT_TONE})


def read_verb(given: Given, absent_loop: Literal["once", "endless"] = "once") -> Verb:
    """Return the verb's value; raises BadActionError that names the verb and the field.

    `absent_loop` is what an ExoML play or say without `loop` is; JSON plays once (LC-5).
    """
    if given.verb in PROMPTS:
        return _prompt(given, absent_loop)
    return _READERS[given.verb](given)


def _prompt(given: Given, absent_loop: str = "once") -> PromptVerb:
    loops = _loops(given, absent_loop)
    if given.verb in ("StartPlay", "Play"):
        return StartPlay(_sound(given), loops, is_awaited=given.verb == "Play")
    return StartSay(_speech(given), loops, is_awaited=given.verb == "Say")


def _loops(given: Given, absent_loop: str) -> int:
    """LC-5: below 0 is endless; 0 is once in JSON and endless in ExoML."""
    absent = 0 if given.shape == "exoml" and absent_loop == "endless" else 1
    if "loop" not in given.fields:
        return absent
    number = given.number("loop", low=LOWEST_LOOP, high=LOOPS, default=absent)
    if number == 0:
        return 1 if given.shape == "json" else 0
    return max(number, 0)


def _sound(given: Given) -> AudioFile:
    source = given.content("url", "playUrl", limit=AUDIO_CHARS)
    name = source.removeprefix("sound:").removeprefix("//")  # EX-12
    if name in BUILTIN_SOUNDS:
        return AudioFile(BUILTIN_SOUNDS[name])
    if not name.startswith(WEB):
        builtin = ", ".join(BUILTIN_SOUNDS)
        raise given.wrong("url", f"must be http(s)://, or sound: and one of {builtin}")
    return AudioFile(_with_credentials(given, name))


def _with_credentials(given: Given, url: str) -> str:
    user = given.text_of("username", limit=256)
    password = given.text_of("password", limit=256)
    if not user and not password:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def _speech(given: Given) -> Speech:
    text = given.content("text", limit=TEXT_CHARS)
    language = given.text_of("language", limit=35) or LANGUAGE
    given.choice("preferredTTSEngine", of=("", "polly", "googletts"), default="")
    # The hosted platform's voices are not here; the house's own of this language speaks.
    given.text_of("pollyVoiceId", limit=64)
    return Speech(text, language, given.text_of("voice", limit=64))


def _only_prompt(given: Given) -> PromptVerb | None:
    if len(given.inside) > 1:
        raise given.wrong("prompt", "is one play or say, not more")
    return _prompts(given)[0] if given.inside else None


def _prompts(given: Given) -> list[PromptVerb]:
    for one in given.inside:
        if one.verb not in PROMPTS:
            raise one.wrong(one.verb, f"cannot stand inside {given.verb}")
    return [_prompt(one) for one in given.inside]


def _sequence(given: Given) -> PlaySequence:
    if not 1 <= len(given.inside) <= SEQUENCE_LIMIT:
        raise given.wrong("items", f"are 1 to {SEQUENCE_LIMIT} plays and says")
    return PlaySequence(tuple(_prompts(given)))


def _gather(given: Given) -> Gather:
    return Gather(
        given.number("numDigits", low=1, high=DIGITS_LIMIT, default=1),
        given.number("timeoutInSec", "timeout", low=1, high=600, default=10) * 1000,
        _finish_key(given),
        _only_prompt(given),
    )


def _finish_key(given: Given) -> str:
    finish = given.text_of("finishOnKey", limit=1) if "finishonkey" in given.fields else "#"
    if finish and finish not in KEYS:
        raise given.wrong("finishOnKey", "must be one of 0-9 * #, or empty")
    return finish


def _digits(given: Given) -> SendDigits:
    digits = given.content("digits", limit=DIGITS_AT_ONCE).upper()
    if not DIGITS.issuperset(digits):
        raise given.wrong("digits", f"are 1 to {DIGITS_AT_ONCE} of 0-9 * # A-D")
    return SendDigits(
        digits,
        given.number("duration", low=40, high=5_000, default=100),
        given.number("between", low=40, high=5_000, default=100),
    )


def _stream(given: Given) -> StartStream:
    url = given.content("url", "streamUrl", limit=STREAM_URL_CHARS)
    if not url.startswith(("ws://", "wss://")):
        raise given.wrong("url", "must begin with ws:// or wss://")
    kinds = ("bidirectional", "unidirectional")
    two_way = given.choice("direction", "streamType", of=kinds) == "bidirectional"
    secure_dtmf = given.flag("secureDtmf")
    if secure_dtmf and not two_way:
        raise given.wrong("secureDtmf", "is for bidirectional streams; no other carries keys")
    if two_way and given.text_of("sourceDirection", limit=64):
        raise given.wrong("sourceDirection", "is for unidirectional streams")
    source = given.choice("sourceDirection", of=DIRECTIONS, default="both")
    asked = given.text_of("content_type", limit=128)
    try:
        chosen = stream_format(asked)
    except ValueError as error:
        raise given.wrong("content_type", str(error)) from error
    greeting = _only_prompt(given)
    return StartStream(url, two_way, chosen, secure_dtmf, cast("Direction", source), greeting)


def _stop_stream(given: Given) -> StopStream:
    sid = given.text_of("streamSid", limit=SID_CHARS) or given.text[:SID_CHARS]
    return StopStream(StreamSid(sid) if sid else None)


def _dial(given: Given) -> Dial:
    contact = given.needed("contactUri", limit=ADDRESS_CHARS)
    is_sip = contact.lower().startswith(("sip:", "sips:"))
    usual = "voip" if is_sip else "pstn"
    kind = given.choice("networkType", of=("pstn", "voip"), default=usual)
    if is_sip and kind == "pstn":
        raise given.wrong("networkType", "must be voip for a SIP address (LG-38)")
    custom = given.text_of("customParam", "custom_param", limit=CUSTOM_CHARS)
    return Dial(
        contact,
        given.needed("exophone", limit=ADDRESS_CHARS),
        cast("Literal['pstn', 'voip']", kind),
        given.number("timeout", low=1, high=600, default=30) * 1000,
        custom,
        given.flag("absorbDtmf"),
    )


def _transfer(given: Given) -> Transfer:
    return Transfer(
        given.needed("contactUri", limit=ADDRESS_CHARS),
        given.text_of("exophone", limit=ADDRESS_CHARS),
        given.number("timeout", low=1, high=600, default=30) * 1000,
    )


def _recording(given: Given) -> StartRecording:
    channel = given.choice("channel", of=("mono", "stereo"), default="mono")
    direction = given.choice("direction", of=DIRECTIONS, default="both")
    sides = cast("Literal['mono', 'stereo']", channel), cast("Direction", direction)
    return StartRecording(*sides, _message(given), _audio_kind(given), _storage(given))


def _audio_kind(given: Given) -> AudioKind:
    """EX-22: without a bit rate an MP3 has that of the house, which is better than EX-35's 8."""
    form = given.choice("format", of=("wav", "mp3"), default="mp3")
    rate = given.choice("bitrate", of=("8", "32", ""), default="")
    return cast("AudioKind", f"{rate}.mp3" if rate and form == "mp3" else form)


def _message(given: Given) -> Message | None:
    """EX-22: any of its fields, also an empty one, or a prompt makes a recording a message."""
    if not given.inside and not any(plain(name) in given.fields for name in VOICEMAIL):
        return None
    silence_s = given.number("silenceInSec", low=0, high=600, default=5)
    max_s = given.number("timeoutInSec", low=1, high=MESSAGE_S, default=20)
    beeps = given.flag("playBeep") if "playbeep" in given.fields else True
    prompt = _only_prompt(given)
    if prompt is not None and prompt.loops == 0:
        raise given.wrong("prompt", "must end, for nothing is recorded before; its loop is endless")
    return Message(silence_s * 1000, _finish_key(given), max_s * 1000, beeps, prompt)


def _storage(given: Given) -> CustomerStorage | None:
    """EX-46: without an address a recording stays in the storage of the house."""
    kind = given.choice("storageType", of=("s3", "https"), default="s3")
    url = given.text_of("storageURL", limit=STORAGE_URL_CHARS)
    key, token = _secret(given, "storageURLKey"), _secret(given, "storageURLToken")
    region = given.text_of("storageRegion", limit=64)
    if not url:
        if kind == "https" or key or token:
            raise given.wrong("storageURL", "is missing", MISSING)
        return None
    schemes = ("s3://", *WEB) if kind == "s3" else WEB
    if not url.startswith(schemes):
        raise given.wrong("storageURL", f"must begin with {' or '.join(schemes)}")
    if kind == "s3":
        if not (key and token):
            raise given.wrong("storageURLKey", "and storageURLToken are needed for s3", MISSING)
        if not REGION.fullmatch(region):
            raise given.wrong("storageRegion", "must be of a-z, 0-9 and -")
    return CustomerStorage(cast("Literal['https', 's3']", kind), url, key, token, region)


def _secret(given: Given, name: str) -> str:
    """Return what will stand in a header; no error ever shows it."""
    text = given.text_of(name, limit=SECRET_CHARS)
    if not (text.isascii() and text.isprintable()):
        raise given.wrong(name, "must be printable ASCII")
    return text


def _hold(given: Given) -> Hold:
    music = _only_prompt(given)
    if music is None:
        return Hold()
    return Hold(music.sound if isinstance(music, StartPlay) else music.speech)


def _monitoring(given: Given) -> StartMonitoring:
    bridge_sid = given.text_of("bridgeSid", limit=SID_CHARS) or given.text[:SID_CHARS]
    leg_sid = given.text_of("legSid", limit=SID_CHARS)
    if not bridge_sid and not leg_sid:
        why = "is missing, and so is legSid: one of them says what is heard"
        raise given.wrong("bridgeSid", why, MISSING)
    mode = given.choice("mode", "type", of=MODES, default="listen")
    if mode == "whisper" and not leg_sid:
        raise given.wrong("legSid", "is missing: it says who hears the whisper", MISSING)
    named = LegSid(leg_sid) if leg_sid else None
    return StartMonitoring(bridge_sid, named, cast("MonitorMode", mode))


def _refer(given: Given) -> NoReturn:
    raise given.wrong("Refer", "is for bridges: it names where their events go (EX-28)")


def _direction(given: Given) -> Direction:
    return cast("Direction", given.choice("direction", of=DIRECTIONS, default="both"))


_READERS: Final[Mapping[str, Callable[[Given], Verb]]] = MappingProxyType(
    {
        "Answer": lambda given: Answer(),
        "Hangup": lambda given: Hangup(),
        "StartPlay": _prompt,
        "Play": _prompt,
        "StopPlay": lambda given: StopPlay(),
        "StartSay": _prompt,
        "Say": _prompt,
        "StopSay": lambda given: StopSay(),
        "PlaySequence": _sequence,
        "Gather": _gather,
        "SendDigits": _digits,
        "StartStream": _stream,
        "StopStream": _stop_stream,
        "Dial": _dial,
        "Transfer": _transfer,
        "StartRecording": _recording,
        "StopRecording": lambda given: StopRecording(),
        "Hold": _hold,
        "UnHold": lambda given: UnHold(),
        "Mute": lambda given: Mute(_direction(given)),
        "UnMute": lambda given: UnMute(_direction(given)),
        "JoinBridge": lambda given: JoinBridge(given.content("bridgeSid", limit=SID_CHARS)),
        "LeaveBridge": lambda given: LeaveBridge(),
        "StartMonitoring": _monitoring,
        "StopMonitoring": lambda given: StopMonitoring(),
        "Refer": _refer,
    }
)

NAMES: Final = frozenset(_READERS)
