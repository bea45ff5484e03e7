import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CallbackEvent(_message.Message):
    __slots__ = ("event_sid", "event_type", "event_name", "event_timestamp", "action_sid", "action_custom_parameter", "event_data", "leg", "bridge", "sequence", "attempt", "verb_index")
    EVENT_SID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENT_NAME_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    ACTION_SID_FIELD_NUMBER: _ClassVar[int]
    ACTION_CUSTOM_PARAMETER_FIELD_NUMBER: _ClassVar[int]
    EVENT_DATA_FIELD_NUMBER: _ClassVar[int]
    LEG_FIELD_NUMBER: _ClassVar[int]
    BRIDGE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    VERB_INDEX_FIELD_NUMBER: _ClassVar[int]
    event_sid: str
    event_type: str
    event_name: str
    event_timestamp: _timestamp_pb2.Timestamp
    action_sid: str
    action_custom_parameter: str
    event_data: _struct_pb2.Struct
    leg: LegSnapshot
    bridge: BridgeSnapshot
    sequence: int
    attempt: int
    verb_index: int
    def __init__(self, event_sid: _Optional[str] = ..., event_type: _Optional[str] = ..., event_name: _Optional[str] = ..., event_timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., action_sid: _Optional[str] = ..., action_custom_parameter: _Optional[str] = ..., event_data: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., leg: _Optional[_Union[LegSnapshot, _Mapping]] = ..., bridge: _Optional[_Union[BridgeSnapshot, _Mapping]] = ..., sequence: _Optional[int] = ..., attempt: _Optional[int] = ..., verb_index: _Optional[int] = ...) -> None: ...

class LegSnapshot(_message.Message):
    __slots__ = ("leg_sid", "account_sid", "contact_uri", "exophone", "state", "direction", "network_type", "custom_param", "terminal_status", "start_time", "end_time", "date_created", "date_updated", "bridge_sid")
    LEG_SID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    CONTACT_URI_FIELD_NUMBER: _ClassVar[int]
    EXOPHONE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    NETWORK_TYPE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_PARAM_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_STATUS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DATE_CREATED_FIELD_NUMBER: _ClassVar[int]
    DATE_UPDATED_FIELD_NUMBER: _ClassVar[int]
    BRIDGE_SID_FIELD_NUMBER: _ClassVar[int]
    leg_sid: str
    account_sid: str
    contact_uri: str
    exophone: str
    state: str
    direction: str
    network_type: str
    custom_param: str
    terminal_status: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    date_created: _timestamp_pb2.Timestamp
    date_updated: _timestamp_pb2.Timestamp
    bridge_sid: str
    def __init__(self, leg_sid: _Optional[str] = ..., account_sid: _Optional[str] = ..., contact_uri: _Optional[str] = ..., exophone: _Optional[str] = ..., state: _Optional[str] = ..., direction: _Optional[str] = ..., network_type: _Optional[str] = ..., custom_param: _Optional[str] = ..., terminal_status: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., date_created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., date_updated: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., bridge_sid: _Optional[str] = ...) -> None: ...

class BridgeSnapshot(_message.Message):
    __slots__ = ("bridge_sid", "account_sid", "state", "leg_sids", "leg_sid", "terminal_status", "start_time", "end_time", "date_created", "date_updated", "active_legs")
    BRIDGE_SID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LEG_SIDS_FIELD_NUMBER: _ClassVar[int]
    LEG_SID_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_STATUS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DATE_CREATED_FIELD_NUMBER: _ClassVar[int]
    DATE_UPDATED_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_LEGS_FIELD_NUMBER: _ClassVar[int]
    bridge_sid: str
    account_sid: str
    state: str
    leg_sids: _containers.RepeatedScalarFieldContainer[str]
    leg_sid: str
    terminal_status: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    date_created: _timestamp_pb2.Timestamp
    date_updated: _timestamp_pb2.Timestamp
    active_legs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, bridge_sid: _Optional[str] = ..., account_sid: _Optional[str] = ..., state: _Optional[str] = ..., leg_sids: _Optional[_Iterable[str]] = ..., leg_sid: _Optional[str] = ..., terminal_status: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., date_created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., date_updated: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., active_legs: _Optional[_Iterable[str]] = ...) -> None: ...

class CallbackAck(_message.Message):
    __slots__ = ("accepted", "message")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    accepted: bool
    message: str
    def __init__(self, accepted: _Optional[bool] = ..., message: _Optional[str] = ...) -> None: ...
